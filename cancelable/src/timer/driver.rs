//! A wheel with a clock, a lock and a thread: what turns ticks into woken wakers.
//!
//! A tick is a millisecond since the driver's origin: a deadline is rounded up to one, the present
//! down, so that nothing fires early.
//!
//! # What is in the wheel
//!
//! The wheel holds *slots*. Who waits has one: [`Armed`]. Who does not wait any more may keep its slot, [`Idle`], which stays in
//! the wheel as it is; and if it is armed again before the time for which it is *listed* there, for that time or a later one,
//! neither the wheel nor its lock is touched: what is waited for stands in the slot's [`Ticket`], under a lock that hardly
//! anybody else takes. When the time has come, the thread lists the slot anew if its ticket says later, or lets go of it
//! if it is idle. (Timers that are pushed back when they expire, instead of whenever their deadline moves, are an old trick of
//! network stacks, where nearly all of them are cancelled.)
//!
//! Locks are taken in this order: the driver's, then a ticket's.
//!
//! # How the thread sleeps
//!
//! `wake_at` is the tick until which the thread sleeps, under the lock.
//!
//! - D1. While the thread is parked, `wake_at` is not later than any tick at which a slot is listed; and once arming has
//!   returned, a slot is listed no later than its ticket says. Listing lowers `wake_at`; only the thread raises it, to
//!   [`Wheel::next_expiry`], after it has seen to everything due.
//! - D2. The thread is told (the bell is rung) only if it is parked and `wake_at` was lowered, once
//!   per parking. If it is not parked it reads `wake_at` before it next goes to sleep, under the
//!   same lock, so no deadline is missed.
//! - D3. A slot says that its time has come before its waker is taken, under one hold of the ticket's lock: who finds its waker
//!   gone finds that its time has come, and so does who is woken by it.
//! - D4. A slot is put into the wheel, or taken from it, and its ticket says so, under one hold of both locks: who arms one that
//!   has left lists it again.
//!
//! `tests/loom.rs` has models of these.
//!
//! Disarming does not raise `wake_at`, and leaves the slot listed. The thread so wakes for nothing: for each slot that is kept,
//! once per timeout's length at its tick, and a few times on the way there (once for each level of the wheel that it goes down).
//! In return arming and disarming by turns, as timeouts round quick work do, rings the bell once per timeout's length and not
//! once per timeout.

use std::any::Any;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use super::slab::Key;
use super::wheel::Wheel;
use crate::primitive::{AtomicBool, Condvar, Mutex, MutexGuard, Ordering, lock, try_lock};

/// Entries expired or moved under one hold of the lock: bounds how long [`Driver::arm`] may have to wait.
pub(super) const BATCH: usize = 64;

/// The thread looks at the clock at least this often: some platforms do not take longer waits.
const LONGEST_SLEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// What a deadline is waited for with.
struct Slot {
    driver: &'static Driver,
    /// What it was last armed for has come (D3).
    has_come: AtomicBool,
    ticket: Mutex<Ticket>,
}

/// What a slot is there for.
struct Ticket {
    /// What is waited for.
    at: Instant,
    /// Who waits; nobody if it has fired, or is idle.
    waker: Option<Waker>,
    /// The time for which the slot is in the wheel, if it is there. Written under the driver's lock as well (D4).
    listed_at: Option<Instant>,
}

impl Slot {
    fn ticket(&self) -> MutexGuard<'_, Ticket> {
        lock(&self.ticket)
    }

    /// The tick at which the slot is listed has come: takes the waker if it is time, or says until when the slot is to stay.
    fn come(&self, now: u64, due: &mut Vec<Waker>) -> Option<u64> {
        let mut ticket = self.ticket();
        if ticket.waker.is_some() {
            let when = self.driver.first_tick_at(ticket.at);
            if when > now {
                ticket.listed_at = Some(ticket.at);
                return Some(when);
            }
            // Release: so that the clock, to who reads it, has gone as far.
            self.has_come.store(true, Ordering::Release);
        }
        ticket.listed_at = None;
        due.extend(ticket.waker.take());
        None
    }
}

/// The owner's end of a slot. Dropping it takes the slot from the wheel.
struct Handle {
    slot: Arc<Slot>,
    /// Of the slot's entry, as long as it is listed; [`Key::NONE`] before and after.
    key: Key,
}

impl Handle {
    /// Nobody waits any more. The waker is user code: to be dropped when no lock is held.
    #[inline]
    fn take_waker(&self) -> Option<Waker> {
        self.slot.ticket().waker.take()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if self.key == Key::NONE {
            return;
        }
        let mut ticket = self.slot.ticket();
        let (waker, is_listed) = (ticket.waker.take(), ticket.listed_at.is_some());
        drop(ticket);
        if is_listed {
            let slot = self.slot.driver.lock().wheel.remove(self.key);
            drop(slot);
        }
        drop(waker);
    }
}

/// A deadline that is being waited for.
///
/// Dropping it disarms: O(1), the entry is freed and the waker dropped before the drop returns, outside the timer's locks. A
/// wake that the timer's thread has begun is not waited for, so the waker may be woken once more, as any waker may. Dropping it
/// after it has fired is fine.
#[must_use = "dropping an alarm disarms it"]
pub(super) struct Armed {
    handle: Handle,
}

impl Armed {
    /// As [`Alarm::has_come`](super::Alarm::has_come).
    #[inline]
    pub(super) fn has_come(&self) -> bool {
        self.handle.slot.has_come.load(Ordering::Acquire)
    }

    /// Has the deadline come, and the waker been taken to be woken?
    #[cfg(test)]
    pub(super) fn has_fired(&self) -> bool {
        let has_fired = self.handle.slot.ticket().waker.is_none();
        if !has_fired {
            self.handle.slot.driver.serve();
        }
        has_fired
    }

    /// As [`Alarm::update`](super::Alarm::update).
    #[must_use = "if the alarm has fired, nothing will wake this waker"]
    pub(super) fn update(&mut self, waker: &Waker) -> bool {
        let slot = &*self.handle.slot;
        let current = slot.ticket().waker.as_ref().map(|current| current.will_wake(waker));
        if current.is_some() {
            slot.driver.serve();
        }
        match current {
            None => return true,
            Some(true) => return false,
            Some(false) => {}
        }
        let mut waker = waker.clone();
        let mut ticket = slot.ticket();
        let in_time = ticket.waker.as_mut().map(|slot| mem::swap(slot, &mut waker)).is_some();
        drop(ticket);
        // `waker`, the old or the unused one, is dropped here, without the lock.
        !in_time
    }

    /// Disarms, and keeps the slot.
    #[inline]
    pub(super) fn rest(self) -> Idle {
        drop(self.handle.take_waker());
        Idle { handle: self.handle }
    }
}

/// A slot that nobody waits with. Dropping it takes it from the wheel.
pub(super) struct Idle {
    handle: Handle,
}

impl Idle {
    /// As dropping it, but waits for no lock: what cannot be taken from the wheel now stays there until its tick.
    pub(super) fn leave(mut self) {
        let key = mem::replace(&mut self.handle.key, Key::NONE);
        let slot = try_lock(&self.handle.slot.driver.state).and_then(|mut state| state.wheel.remove(key));
        drop(slot);
    }

    /// As [`Driver::arm`], with this slot: without the driver's lock, if it is listed early enough.
    #[inline]
    pub(super) fn arm(self, at: Instant, waker: Waker) -> Armed {
        let mut handle = self.handle;
        let driver = handle.slot.driver;
        let mut ticket = handle.slot.ticket();
        ticket.at = at;
        ticket.waker = Some(waker);
        handle.slot.has_come.store(false, Ordering::Relaxed);
        let is_early_enough = ticket.listed_at.is_some_and(|listed_at| listed_at <= at);
        drop(ticket);
        if !is_early_enough {
            driver.list(&mut handle, at);
        }
        driver.serve();
        Armed { handle }
    }
}

/// Starts the thread that serves a driver, or says why it could not.
pub(super) type Spawn = fn(&'static Driver) -> io::Result<()>;

/// A wheel and what it takes to drive it. One, in a static, is the timer of the process.
pub(super) struct Driver {
    /// Tick 0.
    origin: Instant,
    state: Mutex<State>,
    /// Is there a thread, or is somebody starting it?
    served: AtomicBool,
    /// Rung when `State::wake_at` was lowered while the thread was parked.
    bell: Condvar,
    spawn: Spawn,
}

struct State {
    wheel: Wheel<Arc<Slot>>,
    /// Until when the thread sleeps; `u64::MAX` for ever. See D1.
    wake_at: u64,
    /// Is the thread waiting for the bell, and has nobody rung it yet? See D2.
    parked: bool,
}

impl Driver {
    /// A driver without a thread; `start` is called when one is first needed, and again if it
    /// failed. A test that drives by hand passes one that only returns `Ok`.
    pub(super) fn new(start: Spawn) -> Self {
        let state = State {
            wheel: Wheel::new(),
            wake_at: u64::MAX,
            parked: false,
        };
        Self {
            origin: Instant::now(),
            state: Mutex::new(state),
            served: AtomicBool::new(false),
            bell: Condvar::new(),
            spawn: start,
        }
    }

    /// As [`arm`](super::arm), on this driver.
    #[inline(never)]
    pub(super) fn arm(&'static self, at: Instant, waker: Waker) -> Armed {
        let ticket = Ticket {
            at,
            waker: Some(waker),
            listed_at: None,
        };
        let slot = Arc::new(Slot {
            driver: self,
            has_come: AtomicBool::new(false),
            ticket: Mutex::new(ticket),
        });
        let mut handle = Handle { slot, key: Key::NONE };
        self.list(&mut handle, at);
        self.serve();
        Armed { handle }
    }

    /// Has a slot in the wheel for this time, and no longer where it may be now.
    #[inline(never)]
    fn list(&self, handle: &mut Handle, at: Instant) {
        let tick = self.first_tick_at(at);
        let mut state = self.lock();
        let old = state.wheel.remove(handle.key);
        handle.key = state
            .wheel
            .insert(tick, old.unwrap_or_else(|| Arc::clone(&handle.slot)));
        handle.slot.ticket().listed_at = Some(at);
        let mut ring = false;
        if tick < state.wake_at {
            state.wake_at = tick;
            ring = mem::take(&mut state.parked);
        }
        drop(state);
        if ring {
            self.bell.notify_one();
        }
    }

    /// Fires what is due at `now`, at most [`BATCH`] wakers; returns whether there is more to do.
    ///
    /// The wakers run on the calling thread, without the lock; a panic of theirs ends there.
    pub(super) fn turn(&self, now: Instant) -> bool {
        let now = self.last_tick_at(now);
        let mut due = Vec::with_capacity(BATCH);
        let mut state = self.lock();
        let more = state.wheel.advance(now, BATCH, |slot| slot.come(now, &mut due));
        if !more {
            state.wake_at = state.wheel.next_expiry().unwrap_or(u64::MAX);
        }
        drop(state);
        for waker in due {
            if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
                discard(payload);
            }
        }
        more
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

    /// Starts the thread if there is none. If it cannot be started, it is tried again by the next who comes here.
    #[inline]
    fn serve(&'static self) {
        if !self.served.load(Ordering::Relaxed) {
            self.start();
        }
    }

    #[cold]
    fn start(&'static self) {
        if !self.served.swap(true, Ordering::Relaxed) && (self.spawn)(self).is_err() {
            self.served.store(false, Ordering::Relaxed);
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

    /// Number of slots in the wheel.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().wheel.len()
    }

    /// Runs `f` while the driver is locked.
    #[cfg(test)]
    pub(super) fn locked<R>(&self, f: impl FnOnce() -> R) -> R {
        let _state = self.lock();
        f()
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
