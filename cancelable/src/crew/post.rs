//! A post: which thread of a crew is on duty.

use std::io;
use std::task::Waker;

use crate::primitive::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering, lock};

/// How many threads of one crew may be stuck in user code, besides the one on duty.
pub(super) const MOST_STUCK: usize = 8;

/// A job that one thread at a time does, for as long as the process lives.
pub(crate) trait Crew: Sync {
    fn post(&self) -> &Post;
    /// Starts a thread that does the job, in a [`Shift`](super::Shift) that begins with this turn.
    fn start(&'static self, turn: usize) -> io::Result<()>;
    /// Takes the crew's locks, so that its state is whole while the process forks.
    fn hold(&'static self) -> Box<dyn Held>;
}

/// The locks of a crew. Dropping it gives them back.
pub(crate) trait Held {
    /// In a child process without the crew's threads: makes its state fit for others, and gives the locks back. Returns what
    /// has to look closer, because the lost threads watched on its behalf.
    fn in_child(self: Box<Self>) -> Vec<Waker>;
}

/// Who is on duty, and whether they are in user code.
pub(crate) struct Post {
    /// Is somebody on duty? Written under `roster`.
    pub(super) is_held: AtomicBool,
    /// Odd while the thread on duty runs user code. It grows with every piece of it and with every change of shift, so who
    /// knows the present value is on duty.
    turn: AtomicUsize,
    pub(super) roster: Mutex<Roster>,
}

pub(super) struct Roster {
    /// How many threads have been relieved and are not back.
    pub(super) stuck: usize,
    /// Has the overseer been told of the crew?
    is_known: bool,
}

impl Post {
    pub(crate) fn new() -> Self {
        Self {
            is_held: AtomicBool::new(false),
            turn: AtomicUsize::new(0),
            roster: Mutex::new(Roster {
                stuck: 0,
                is_known: false,
            }),
        }
    }

    /// Is somebody on duty? One load.
    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.is_held.load(Ordering::Relaxed)
    }

    /// The present turn. SeqCst: see [`overseer`](super::overseer).
    pub(super) fn turn(&self) -> usize {
        self.turn.load(Ordering::SeqCst)
    }

    /// Puts a new thread on duty if nobody is.
    pub(super) fn fill(&self, start: impl FnOnce(usize) -> io::Result<()>, know: impl FnOnce()) -> io::Result<()> {
        // Held while the thread is started: who comes at the same time hears whether that worked.
        let mut roster = lock(&self.roster);
        if self.is_held() {
            return Ok(());
        }
        if !std::mem::replace(&mut roster.is_known, true) {
            know();
        }
        let turn = self.next_shift();
        start(turn)?;
        self.is_held.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Puts a new thread on duty if the one that is has been in user code since `turn` was read; `false` if that cannot be.
    pub(super) fn relieve(&self, turn: usize, start: impl FnOnce(usize) -> io::Result<()>) -> bool {
        let mut roster = lock(&self.roster);
        if self.turn() != turn {
            return true;
        }
        if roster.stuck >= MOST_STUCK {
            return false;
        }
        let next = turn.wrapping_add(1);
        if self.exchange(turn, next).is_err() {
            return true;
        }
        roster.stuck += 1;
        let is_started = start(next).is_ok();
        if !is_started {
            // Whoever comes first takes the post: somebody in need, or the stuck thread as it comes back.
            self.is_held.store(false, Ordering::Relaxed);
        }
        is_started
    }

    pub(super) fn exchange(&self, turn: usize, next: usize) -> Result<usize, usize> {
        self.turn
            .compare_exchange(turn, next, Ordering::SeqCst, Ordering::SeqCst)
    }

    /// A turn with which nobody is on duty yet. Under the roster's lock.
    pub(super) fn next_shift(&self) -> usize {
        let turn = (self.turn() | 1).wrapping_add(1);
        self.turn.store(turn, Ordering::SeqCst);
        turn
    }

    /// All threads have been lost in a fork. Under the roster's lock.
    pub(super) fn vacate(&self, roster: &mut MutexGuard<'_, Roster>) {
        self.next_shift();
        self.is_held.store(false, Ordering::Relaxed);
        roster.stuck = 0;
    }
}
