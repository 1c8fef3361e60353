//! A wheel with a clock, a lock and a thread: what turns ticks into woken wakers.
//!
//! A tick is a millisecond since the driver's origin: a deadline is rounded up to one, the present
//! down, so that nothing fires early.
//!
//! # How the thread sleeps
//!
//! `wake_at` is the tick until which the thread sleeps, under the lock.
//!
//! - D1. While the thread is parked, `wake_at` is not later than any armed deadline. Arming lowers
//!   it; only the thread raises it, to [`Wheel::next_expiry`], after it has seen to everything due.
//! - D2. The thread is told (the bell is rung) only if it is parked and `wake_at` was lowered, once
//!   per parking. If it is not parked it reads `wake_at` before it next goes to sleep, under the
//!   same lock, so no deadline is missed.
//! - D3. What is due is taken from the wheel, and its time told (`reached`), under one hold of the
//!   lock: who finds an alarm gone from the wheel finds that its time has come, and so does who is
//!   woken by it.
//!
//! `tests/loom.rs` has models of these.
//!
//! Disarming does not raise `wake_at`. The thread may so wake for nothing, at most once per tick
//! that was waited for; in return arming and disarming by turns, as timeouts round quick work do,
//! rings the bell once per timeout's length and not once per timeout.

use std::any::Any;
use std::fmt;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{LazyLock, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use super::slab::Key;
use super::wheel::Wheel;
use crate::primitive::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering, lock};

/// Entries expired or moved under one hold of the lock: bounds how long [`arm`] may have to wait.
pub(super) const BATCH: usize = 64;

/// The thread looks at the clock at least this often: some platforms do not take longer waits.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// Arms an alarm on the timer of this process: `waker` is woken when `at` has come.
///
/// A deadline in the past is woken by the timer's thread at its next turn, never by this call: the
/// caller is not re-entered. One too far ahead for the clock is kept and never comes. O(1); takes
/// the timer's lock, reads no clock, and allocates once in 256 alarms at most.
///
/// # If the thread cannot be started
///
/// The alarm is armed all the same, and starting is tried again at every further use of the timer:
/// [`arm`], [`Alarm::update`]. The thread's first act is to fire what is
/// overdue, so a deadline may come late but is not dropped. There is no error to return because
/// there is nobody to take it (`cancel_after` cannot fail), and because an error would have to mean
/// that the deadline is not kept.
///
/// A process made by `fork` without `exec` has no timer thread and does not notice.
///
/// # Panics
///
/// With four billion alarms armed.
#[inline(always)]
pub(crate) fn arm(at: Instant, waker: Waker) -> Alarm {
    SHARED.arm(at, waker)
}

/// The timer of this process.
static SHARED: LazyLock<Driver> = LazyLock::new(|| Driver::new(spawn));

/// A deadline that is being waited for; made by [`arm`].
///
/// Dropping it disarms: O(1), the entry is freed and the waker dropped before the drop returns,
/// outside the timer's lock. A wake that the timer's thread has begun is not waited for, so the
/// waker may be woken once more, as any waker may. Dropping it after it has fired is fine.
#[must_use = "dropping an alarm disarms it"]
pub(crate) struct Alarm {
    driver: &'static Driver,
    key: Key,
    when: u64,
}

impl Alarm {
    /// Has the deadline come, as far as the timer's thread knows? If so, `Instant::now()` is not before it; if not, the
    /// waker will be woken after this has become true. One atomic load.
    #[must_use]
    #[inline]
    pub(crate) fn has_come(&self) -> bool {
        self.driver.has_reached(self.when)
    }

    /// Has the deadline come, and the waker been taken to be woken?
    #[cfg(test)]
    pub(super) fn has_fired(&self) -> bool {
        let mut state = self.driver.lock();
        let armed = state.wheel.contains(self.key);
        let start = armed && state.claim_start();
        drop(state);
        if start {
            self.driver.start();
        }
        !armed
    }

    /// Makes `waker` the one to wake, and returns whether the alarm has fired.
    ///
    /// `true` means that it came too late: nothing will wake `waker`, so a future returns ready.
    /// Nothing is cloned if [`Waker::will_wake`] says that the present one does as well. O(1);
    /// takes the timer's lock, but neither clones nor drops a waker under it.
    #[must_use = "if the alarm has fired, nothing will wake this waker"]
    pub(crate) fn update(&mut self, waker: &Waker) -> bool {
        let mut state = self.driver.lock();
        let current = state.wheel.get_mut(self.key).map(|current| current.will_wake(waker));
        let start = current.is_some() && state.claim_start();
        drop(state);
        if start {
            self.driver.start();
        }
        match current {
            None => return true,
            Some(true) => return false,
            Some(false) => {}
        }
        let mut waker = waker.clone();
        let mut state = self.driver.lock();
        let armed = state
            .wheel
            .get_mut(self.key)
            .map(|slot| mem::swap(slot, &mut waker))
            .is_some();
        drop(state);
        // `waker`, the old or the unused one, is dropped here, without the lock.
        !armed
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let waker = self.driver.lock().wheel.remove(self.key);
        // In a statement of its own: the guard above is gone by now.
        drop(waker);
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Starts the thread that serves a driver, or says why it could not.
pub(super) type Spawn = fn(&'static Driver) -> io::Result<()>;

/// A wheel and what it takes to drive it. One, in a static, is the timer of the process.
pub(super) struct Driver {
    /// Tick 0.
    origin: Instant,
    state: Mutex<State>,
    /// What is due at this tick is being woken or has been. Only the thread writes it.
    reached: AtomicU64,
    /// Rung when `State::wake_at` was lowered while the thread was parked.
    bell: Condvar,
    spawn: Spawn,
}

struct State {
    wheel: Wheel<Waker>,
    /// Until when the thread sleeps; `u64::MAX` for ever. See D1.
    wake_at: u64,
    /// Is the thread waiting for the bell, and has nobody rung it yet? See D2.
    parked: bool,
    /// Is there a thread, or is somebody starting it?
    served: bool,
}

impl State {
    /// `true` for the one caller who is to start the thread, once it has let go of the lock.
    fn claim_start(&mut self) -> bool {
        !mem::replace(&mut self.served, true)
    }
}

impl Driver {
    /// A driver without a thread; `start` is called when one is first needed, and again if it
    /// failed. A test that drives by hand passes one that only returns `Ok`.
    pub(super) fn new(start: Spawn) -> Self {
        let state = State {
            wheel: Wheel::new(),
            wake_at: u64::MAX,
            parked: false,
            served: false,
        };
        Self {
            origin: Instant::now(),
            state: Mutex::new(state),
            reached: AtomicU64::new(0),
            bell: Condvar::new(),
            spawn: start,
        }
    }

    /// As [`arm`], on this driver. Inlined, so that the alarm is made where it is to be.
    #[inline(always)]
    pub(super) fn arm(&'static self, at: Instant, waker: Waker) -> Alarm {
        let when = self.first_tick_at(at);
        let mut state = self.lock();
        let key = state.wheel.insert(when, waker);
        let mut ring = false;
        if when < state.wake_at {
            state.wake_at = when;
            ring = mem::take(&mut state.parked);
        }
        let start = state.claim_start();
        drop(state);
        if ring {
            self.bell.notify_one();
        }
        if start {
            self.start();
        }
        Alarm {
            driver: self,
            key,
            when,
        }
    }

    /// Fires what is due at `now`, at most [`BATCH`] wakers; returns whether there is more to do.
    ///
    /// The wakers run on the calling thread, without the lock; a panic of theirs ends there.
    pub(super) fn turn(&self, now: Instant) -> bool {
        let now = self.last_tick_at(now);
        let mut due = Vec::with_capacity(BATCH);
        let mut state = self.lock();
        let more = state.wheel.advance(now, BATCH, &mut due);
        if !more {
            state.wake_at = state.wheel.next_expiry().unwrap_or(u64::MAX);
        }
        // Before the lock is released (D3).
        self.reached.store(now, Ordering::Release);
        drop(state);
        for waker in due {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                discard(payload);
            }
        }
        more
    }

    /// Has what is due at this tick been woken, or is it being?
    pub(super) fn has_reached(&self, tick: u64) -> bool {
        // Acquire: whoever was woken by it sees it as well.
        self.reached.load(Ordering::Acquire) >= tick
    }

    /// What the thread does, for ever. The clock is read for each batch, so that wakers which arm
    /// alarms in the past, without end, do not keep later deadlines from being seen.
    pub(super) fn run(&self) -> ! {
        loop {
            while self.turn(Instant::now()) {}
            self.park();
        }
    }

    /// Waits until `wake_at` has come, following it when it is lowered meanwhile.
    pub(super) fn park(&self) {
        let mut state = self.lock();
        loop {
            // Time since the origin, on both sides: no `Instant` that could be out of range.
            let now = self.origin.elapsed();
            let timeout = Duration::from_millis(state.wake_at).saturating_sub(now);
            if timeout.is_zero() {
                return;
            }
            state.parked = true;
            let waited = self.bell.wait_timeout(state, timeout.min(LONGEST_SLEEP));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.parked = false;
        }
    }

    /// Starts the thread; to be called by the one that claimed it.
    fn start(&'static self) {
        if (self.spawn)(self).is_err() {
            self.lock().served = false;
        }
    }

    /// The first tick that is not before `at`: rounded up.
    fn first_tick_at(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.origin);
        let part = since.subsec_nanos().div_ceil(1_000_000);
        since.as_secs().saturating_mul(1_000).saturating_add(part.into())
    }

    /// The last tick that is not after `now`: rounded down.
    fn last_tick_at(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.origin);
        since
            .as_secs()
            .saturating_mul(1_000)
            .saturating_add(since.subsec_millis().into())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Tick 0, for tests that make up their own time.
    #[cfg(test)]
    pub(super) fn origin(&self) -> Instant {
        self.origin
    }

    /// Number of alarms armed.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().wheel.len()
    }

    /// Is the thread asleep, with nobody having rung the bell?
    #[cfg(test)]
    pub(super) fn is_parked(&self) -> bool {
        self.lock().parked
    }
}

/// Starts a thread that runs `driver` for as long as the process lives.
///
/// Default stack size: wakers run on it, and what hangs on a cancel is theirs.
pub(super) fn spawn(driver: &'static Driver) -> io::Result<()> {
    let thread = thread::Builder::new().name("cancelable-timer".to_owned());
    thread.spawn(|| driver.run()).map(drop)
}

/// Drops what a waker panicked with; if that panics as well, its payload is leaked.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
}
