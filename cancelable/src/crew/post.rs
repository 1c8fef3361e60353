//! A post, and the shift of the thread that holds it.

use std::cell::Cell;
use std::io;
use std::task::Waker;

use crate::primitive::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering, lock};
use crate::unwind::caught;

/// How many threads of one crew may be stuck in user code, besides the one on duty.
pub(super) const MOST_STUCK: usize = 8;

/// A job that one thread at a time does, for as long as the process lives.
pub(crate) trait Crew: Sync {
    fn post(&self) -> &Post;
    /// Starts a thread that does the job, in a [`Shift`] that begins with this turn.
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
    is_held: AtomicBool,
    /// Odd while the thread on duty runs user code. It grows with every piece of it and with every change of shift, so who
    /// knows the present value is on duty.
    turn: AtomicUsize,
    pub(super) roster: Mutex<Roster>,
}

pub(super) struct Roster {
    /// How many threads have been relieved and are not back.
    stuck: usize,
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

    /// Begins the shift of the thread that was started for this turn.
    pub(crate) fn begin(&self, turn: usize) -> Shift<'_> {
        Shift {
            post: self,
            turn: Cell::new(turn),
        }
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

    fn exchange(&self, turn: usize, next: usize) -> Result<usize, usize> {
        self.turn
            .compare_exchange(turn, next, Ordering::SeqCst, Ordering::SeqCst)
    }

    /// A turn with which nobody is on duty yet. Under the roster's lock.
    fn next_shift(&self) -> usize {
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

/// What a thread of the crew works in. Dropping it leaves the post.
pub(crate) struct Shift<'a> {
    post: &'a Post,
    turn: Cell<usize>,
}

impl Shift<'_> {
    /// Runs a piece of user code, whose panic ends here. `false` if somebody has taken over meanwhile: then this thread is to
    /// end at once.
    pub(crate) fn run(&self, f: impl FnOnce()) -> bool {
        let busy = self.turn.get().wrapping_add(1);
        // It fails if a fork, in user code on this very thread, has made another process of this one.
        let began = self.post.exchange(self.turn.get(), busy).is_ok();
        super::overseer::wake();
        caught(f);
        let next = busy.wrapping_add(1);
        if began && self.post.exchange(busy, next).is_ok() {
            self.turn.set(next);
            return true;
        }
        self.take_again()
    }

    /// Takes the post if nobody could be found for it.
    fn take_again(&self) -> bool {
        let mut roster = lock(&self.post.roster);
        if self.post.is_held() {
            return false;
        }
        roster.stuck = roster.stuck.saturating_sub(1);
        self.turn.set(self.post.next_shift());
        self.post.is_held.store(true, Ordering::Relaxed);
        true
    }
}

impl Drop for Shift<'_> {
    fn drop(&mut self) {
        let mut roster = lock(&self.post.roster);
        if self.post.turn() == self.turn.get() {
            self.post.next_shift();
            self.post.is_held.store(false, Ordering::Relaxed);
        } else {
            roster.stuck = roster.stuck.saturating_sub(1);
        }
    }
}

#[cfg(all(test, cancelable_loom))]
#[path = "loom.rs"]
mod loom;

#[cfg(all(test, not(cancelable_loom)))]
#[path = "tests.rs"]
mod tests;
