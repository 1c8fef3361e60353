//! The overseer: a thread that looks whether the others are stuck in user code.
//!
//! It is awake only while user code runs on a library thread, and shortly after; then it looks every [`PATIENCE`]. It ends
//! when it has had nothing to do for [`LINGER`]. Without it (no thread to be had) the library works, but a piece of user code
//! that blocks holds up the rest of its crew.
//!
//! *Asleep or awake.* Who begins user code first writes its turn and then reads `is_awake`; the overseer first writes that
//! it goes to sleep and then reads the turns. Both SeqCst, so one of the two sees the other.

use std::io;
use std::task::Waker;

use super::post::{Crew, Held};

pub(crate) use imp::{staff, wake};

#[cfg(not(cancelable_loom))]
mod imp {
    use std::cell::RefCell;
    use std::mem;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Condvar, MutexGuard, PoisonError};
    use std::thread;
    use std::time::Duration;

    use super::super::post::Roster;
    use super::super::spawn::spawn;
    use super::*;
    use crate::fork::{self, Hook, Layer};
    use crate::primitive::{Mutex, lock};

    /// How long a piece of user code may run before another thread takes over, at least. At most it is twice that.
    pub(super) const PATIENCE: Duration = Duration::from_millis(10);

    /// The longest pause between looks at what cannot be helped.
    pub(super) const RESIGNED: Duration = Duration::from_secs(1);

    /// How long the thread stays with nothing to do.
    const LINGER: Duration = Duration::from_secs(10);

    pub(super) struct Overseer {
        pub(super) is_awake: AtomicBool,
        pub(super) desk: Mutex<Desk>,
    }

    pub(super) struct Desk {
        pub(super) has_thread: bool,
        crews: Vec<&'static dyn Crew>,
        /// Another one in each process: the old one may have had a waiter.
        bell: Option<Arc<Condvar>>,
    }

    static OVERSEER: Overseer = Overseer::new();

    /// Sees to it that the crew has a thread on duty, or says why that cannot be.
    #[cold]
    pub(crate) fn staff(crew: &'static dyn Crew) -> io::Result<()> {
        fork::register(Layer::Crews, || Hook { before, after, recover });
        crew.post().fill(|turn| crew.start(turn), || OVERSEER.know(crew))
    }

    /// A piece of user code is about to run on a library thread.
    #[inline]
    pub(crate) fn wake() {
        OVERSEER.wake();
    }

    impl Overseer {
        pub(super) const fn new() -> Self {
            Self {
                is_awake: AtomicBool::new(false),
                desk: Mutex::new(Desk {
                    has_thread: false,
                    crews: Vec::new(),
                    bell: None,
                }),
            }
        }

        pub(super) fn know(&self, crew: &'static dyn Crew) {
            lock(&self.desk).crews.push(crew);
        }

        #[inline]
        fn wake(&'static self) {
            if !self.is_awake.load(Ordering::SeqCst) {
                self.wake_slow();
            }
        }

        #[cold]
        fn wake_slow(&'static self) {
            let mut desk = lock(&self.desk);
            if self.is_awake.swap(true, Ordering::SeqCst) {
                return;
            }
            if desk.has_thread {
                desk.bell().notify_one();
                return;
            }
            desk.has_thread = spawn("cancelable-overseer", || self.oversee()).is_ok();
            self.is_awake.store(desk.has_thread, Ordering::SeqCst);
        }

        /// What the thread does.
        pub(super) fn oversee(&self) {
            let gone = Gone(self);
            loop {
                self.watch();
                if !self.sleep(LINGER) {
                    mem::forget(gone);
                    return;
                }
            }
        }

        /// Looks after the crews until none of them is in user code.
        fn watch(&self) {
            let mut seen = Vec::new();
            let mut pause = PATIENCE;
            loop {
                thread::sleep(pause);
                let crews = lock(&self.desk).crews.clone();
                let look = look(&crews, &mut seen);
                pause = look.pause_after(pause);
                if look.is_quiet && self.dozes_off(&crews) {
                    return;
                }
            }
        }

        /// Goes to sleep, unless somebody has begun meanwhile, who may have found it awake.
        pub(super) fn dozes_off(&self, crews: &[&'static dyn Crew]) -> bool {
            self.is_awake.store(false, Ordering::SeqCst);
            let is_needed = crews.iter().any(|crew| is_busy(crew.post().turn()));
            if is_needed {
                self.is_awake.store(true, Ordering::SeqCst);
            }
            !is_needed
        }

        /// Waits until it is woken, at most for so long; `false` if the thread is to end, for nobody has done so.
        pub(super) fn sleep(&self, at_most: Duration) -> bool {
            let mut desk = lock(&self.desk);
            let bell = desk.bell();
            let is_asleep = |_: &mut Desk| !self.is_awake.load(Ordering::SeqCst);
            let waited = bell.wait_timeout_while(desk, at_most, is_asleep);
            let (mut desk, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            desk.has_thread = !waited.timed_out();
            desk.has_thread
        }
    }

    impl Desk {
        fn bell(&mut self) -> Arc<Condvar> {
            Arc::clone(self.bell.get_or_insert_default())
        }
    }

    /// Notes that the thread has ended by a panic.
    struct Gone<'a>(&'a Overseer);

    impl Drop for Gone<'_> {
        fn drop(&mut self) {
            let mut desk = lock(&self.0.desk);
            desk.has_thread = false;
            self.0.is_awake.store(false, Ordering::SeqCst);
        }
    }

    /// What a look at the crews has shown.
    #[derive(Debug, PartialEq)]
    pub(super) struct Look {
        /// Nobody has run user code since the last look.
        pub(super) is_quiet: bool,
        /// Somebody is stuck who cannot be relieved.
        pub(super) is_helpless: bool,
    }

    /// Relieves who is still in the piece of user code that it was in at the last look, in which these turns were `seen`.
    pub(super) fn look(crews: &[&'static dyn Crew], seen: &mut Vec<usize>) -> Look {
        seen.resize(crews.len(), 0);
        let (mut is_quiet, mut is_helpless) = (true, false);
        for (crew, seen) in crews.iter().zip(seen) {
            let turn = crew.post().turn();
            if turn != *seen {
                (*seen, is_quiet) = (turn, false);
            } else if is_busy(turn) {
                is_quiet = false;
                is_helpless |= !crew.post().relieve(turn, |turn| crew.start(turn));
            }
        }
        Look { is_quiet, is_helpless }
    }

    impl Look {
        /// How long to wait for the next one.
        pub(super) fn pause_after(&self, pause: Duration) -> Duration {
            if self.is_helpless {
                RESIGNED.min(pause * 2)
            } else {
                PATIENCE
            }
        }
    }

    // Forks -----------------------------------------------------------------------------------------------------------

    /// A crew whose locks are held.
    struct HeldCrew {
        crew: &'static dyn Crew,
        roster: MutexGuard<'static, Roster>,
        state: Box<dyn Held>,
    }

    /// The locks of a process that is being forked.
    struct Forking {
        crews: Vec<HeldCrew>,
        desk: MutexGuard<'static, Desk>,
    }

    thread_local! {
        static FORKING: RefCell<Option<Forking>> = const { RefCell::new(None) };
        /// What is to look closer.
        static LOST: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
    }

    fn before() {
        loop {
            let crews = lock(&OVERSEER.desk).crews.clone();
            let held = crews.into_iter().map(|crew| HeldCrew {
                crew,
                roster: lock(&crew.post().roster),
                state: crew.hold(),
            });
            let crews: Vec<_> = held.collect();
            // Last: it is taken under the lock of a roster.
            let desk = lock(&OVERSEER.desk);
            if desk.crews.len() == crews.len() {
                // A thread that forks as its locals are destroyed keeps nothing.
                _ = FORKING.try_with(|forking| *forking.borrow_mut() = Some(Forking { crews, desk }));
                return;
            }
        }
    }

    fn after(is_child: bool) {
        let Some(forking) = FORKING.try_with(|forking| forking.borrow_mut().take()).ok().flatten() else {
            return;
        };
        if !is_child {
            return;
        }
        let Forking { crews, mut desk } = forking;
        desk.has_thread = false;
        desk.bell = None;
        OVERSEER.is_awake.store(false, Ordering::SeqCst);
        let mut lost = Vec::new();
        for mut held in crews {
            held.crew.post().vacate(&mut held.roster);
            lost.append(&mut held.state.in_child());
        }
        _ = LOST.try_with(|slot| *slot.borrow_mut() = lost);
    }

    fn recover() {
        let lost = LOST.try_with(RefCell::take).unwrap_or_default();
        lost.into_iter().for_each(Waker::wake);
    }
}

/// Is a thread whose turn it is in user code?
fn is_busy(turn: usize) -> bool {
    turn % 2 == 1
}

/// In models nothing is overseen.
#[cfg(cancelable_loom)]
mod imp {
    use super::*;

    pub(crate) fn staff(crew: &'static dyn Crew) -> io::Result<()> {
        crew.post().fill(|turn| crew.start(turn), || {})
    }

    pub(crate) fn wake() {}
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests;
