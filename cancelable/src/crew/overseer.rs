//! The overseer: a thread that looks whether the others are stuck in user code.
//!
//! It is awake only while user code runs on a library thread, and shortly after; then it looks every [`PATIENCE`]. It ends
//! when it has had nothing to do for [`LINGER`]. Without it (no thread to be had) the library works, but a piece of user code
//! that blocks holds up the rest of its crew.
//!
//! *Asleep or awake.* Who begins user code first writes its turn and then reads [`IS_AWAKE`]; the overseer first writes that
//! it goes to sleep and then reads the turns. Both SeqCst, so one of the two sees the other.

use std::io;
use std::task::Waker;

use super::post::{Crew, Held};

pub(crate) use imp::{staff, wake};

#[cfg(not(cancelable_loom))]
mod imp {
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Condvar, MutexGuard, PoisonError};
    use std::thread;
    use std::time::{Duration, Instant};

    use super::super::post::Roster;
    use super::*;
    use crate::fork::{self, Hook, Layer};
    use crate::primitive::{Mutex, lock};

    /// How long a piece of user code may run before another thread takes over, at least. At most it is twice that.
    const PATIENCE: Duration = Duration::from_millis(10);

    /// The longest pause between looks at what cannot be helped.
    const RESIGNED: Duration = Duration::from_secs(1);

    /// How long the thread stays with nothing to do.
    const LINGER: Duration = Duration::from_secs(10);

    static IS_AWAKE: AtomicBool = AtomicBool::new(false);

    struct Overseer {
        has_thread: bool,
        crews: Vec<&'static dyn Crew>,
        /// Another one in each process: the old one may have had a waiter.
        bell: Option<Arc<Condvar>>,
    }

    static OVERSEER: Mutex<Overseer> = Mutex::new(Overseer {
        has_thread: false,
        crews: Vec::new(),
        bell: None,
    });

    /// Sees to it that the crew has a thread on duty, or says why that cannot be.
    #[cold]
    pub(crate) fn staff(crew: &'static dyn Crew) -> io::Result<()> {
        fork::register(Layer::Crews, || Hook { before, after, recover });
        crew.post()
            .fill(|turn| crew.start(turn), || lock(&OVERSEER).crews.push(crew))
    }

    /// A piece of user code is about to run on a library thread.
    #[inline]
    pub(crate) fn wake() {
        if !IS_AWAKE.load(Ordering::SeqCst) {
            wake_slow();
        }
    }

    #[cold]
    fn wake_slow() {
        let mut overseer = lock(&OVERSEER);
        if IS_AWAKE.swap(true, Ordering::SeqCst) {
            return;
        }
        if overseer.has_thread {
            overseer.bell().notify_one();
            return;
        }
        overseer.has_thread = super::super::spawn("cancelable-overseer", oversee).is_ok();
        IS_AWAKE.store(overseer.has_thread, Ordering::SeqCst);
    }

    impl Overseer {
        fn bell(&mut self) -> Arc<Condvar> {
            Arc::clone(self.bell.get_or_insert_default())
        }
    }

    /// Notes that the thread has ended, whichever way.
    struct Gone;

    impl Drop for Gone {
        fn drop(&mut self) {
            let mut overseer = lock(&OVERSEER);
            overseer.has_thread = false;
            IS_AWAKE.store(false, Ordering::SeqCst);
        }
    }

    fn oversee() {
        let gone = Gone;
        loop {
            watch();
            if !sleep() {
                std::mem::forget(gone);
                return;
            }
        }
    }

    /// Looks after the crews until none of them is in user code.
    fn watch() {
        let mut seen = Vec::new();
        let mut pause = PATIENCE;
        loop {
            thread::sleep(pause);
            let crews = lock(&OVERSEER).crews.clone();
            seen.resize(crews.len(), 0);
            let (mut is_quiet, mut is_helpless) = (true, false);
            for (crew, seen) in crews.iter().zip(&mut seen) {
                let turn = crew.post().turn();
                if turn != *seen {
                    (*seen, is_quiet) = (turn, false);
                } else if is_busy(turn) {
                    is_quiet = false;
                    is_helpless |= !crew.post().relieve(turn, |turn| crew.start(turn));
                }
            }
            pause = if is_helpless { RESIGNED.min(pause * 2) } else { PATIENCE };
            if is_quiet {
                IS_AWAKE.store(false, Ordering::SeqCst);
                if !crews.iter().any(|crew| is_busy(crew.post().turn())) {
                    return;
                }
                IS_AWAKE.store(true, Ordering::SeqCst);
            }
        }
    }

    /// Waits until it is woken; `false` if the thread is to end, for nobody has done so.
    fn sleep() -> bool {
        let mut overseer = lock(&OVERSEER);
        let bell = overseer.bell();
        let until = Instant::now() + LINGER;
        while !IS_AWAKE.load(Ordering::SeqCst) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                overseer.has_thread = false;
                return false;
            }
            let waited = bell.wait_timeout(overseer, left);
            overseer = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
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
        overseer: MutexGuard<'static, Overseer>,
    }

    thread_local! {
        static FORKING: RefCell<Option<Forking>> = const { RefCell::new(None) };
        /// What is to look closer.
        static LOST: RefCell<Vec<Waker>> = const { RefCell::new(Vec::new()) };
    }

    fn before() {
        loop {
            let crews = lock(&OVERSEER).crews.clone();
            let held = crews.into_iter().map(|crew| HeldCrew {
                crew,
                roster: lock(&crew.post().roster),
                state: crew.hold(),
            });
            let crews: Vec<_> = held.collect();
            // Last: it is taken under the lock of a roster.
            let overseer = lock(&OVERSEER);
            if overseer.crews.len() == crews.len() {
                // A thread that forks as its locals are destroyed keeps nothing.
                _ = FORKING.try_with(|forking| *forking.borrow_mut() = Some(Forking { crews, overseer }));
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
        let Forking { crews, mut overseer } = forking;
        overseer.has_thread = false;
        overseer.bell = None;
        IS_AWAKE.store(false, Ordering::SeqCst);
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
