//! A wheel with a clock, a lock and a thread, which wakes wakers when their ticks have come.
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
//! - D2. The bell is rung for the thread only if it is parked and `wake_at` was lowered, once
//!   per parking. If it is not parked it reads `wake_at` before it next goes to sleep, under the
//!   same lock, so no deadline is missed.
//! - D3. A slot says that its time has come before its waker is taken, under one hold of the ticket's lock: who finds its waker
//!   gone finds that its time has come, and so does who is woken by it.
//! - D4. A slot is put into the wheel, or taken from it, and its ticket says so, under one hold of both locks: who arms one that
//!   has left lists it again.
//!
//! `tests/loom.rs` has models of these.
//!
//! # Who wakes
//!
//! What is due goes into a queue of the driver's own. From there the thread takes one waker at a time and wakes it. So if it is
//! stuck in one, is replaced, or is lost in a `fork`, the others are still there for the next thread ([`crew`](crate::crew)).
//!
//! Disarming does not raise `wake_at`, and leaves the slot listed. The thread so wakes for nothing: for each slot that is kept,
//! once per timeout's length at its tick, and a few times on the way there (once for each level of the wheel that it goes down).
//! In return arming and disarming one after the other, as timeouts round quick work do, rings the bell once per timeout's length and not
//! once per timeout.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Arc, PoisonError};
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

use super::slab::Key;
use super::wheel::Wheel;
use crate::crew::{self, Crew, Held, Post, Shift};
use crate::primitive::{AtomicU32, Condvar, Mutex, MutexGuard, Ordering, lock, try_lock};

/// Entries expired or moved under one hold of the lock: bounds how long [`Driver::arm`] may have to wait.
pub(super) const BATCH: usize = 64;

/// The thread looks at the clock at least this often: some platforms do not take longer waits.
const LONGEST_SLEEP: Duration = Duration::from_secs(86_400);

/// In a forked child: how often to try a slot's lock, and after how many ticks to come back if it is taken all the same.
const TRIES: usize = 100;
const LATER: u64 = 64;

/// What a slot's owner has to know without a lock.
mod status {
    /// The time has not come; the waker is a task's.
    pub(super) const TASK: u32 = 0;
    /// The same, and the waker is a token's: it may be woken early.
    pub(super) const TOKEN: u32 = 1;
    /// The owner has to look: what the slot was last armed for has come (D3), or no thread watches it.
    pub(super) const LOOK: u32 = 2;
}

/// For whom an alarm is.
#[derive(Clone, Copy)]
pub(super) enum For {
    Task,
    Token,
}

impl For {
    #[inline]
    fn status(self) -> u32 {
        match self {
            Self::Task => status::TASK,
            Self::Token => status::TOKEN,
        }
    }

    /// Nobody watches. A task is woken at once, so that it looks; who arms for a token asks.
    #[cold]
    fn unwatched(self, waker: &Waker) -> u32 {
        if let Self::Task = self {
            waker.wake_by_ref();
        }
        status::LOOK
    }
}

/// What a deadline is waited for with.
struct Slot {
    driver: &'static Driver,
    status: AtomicU32,
    ticket: Mutex<Ticket>,
}

/// A waker whose time has come.
struct Due {
    waker: Waker,
    is_token: bool,
}

/// Those whose time has come.
#[derive(Default)]
struct AllDue {
    queue: VecDeque<Due>,
    /// Tokens that are being woken, by number: a fork may lose the thread that does it.
    waking: Vec<(u64, Waker)>,
    next: u64,
}

/// A waker that has been taken from the queue.
struct Waking<'a> {
    driver: &'a Driver,
    waker: Waker,
    number: Option<u64>,
}

impl Waking<'_> {
    fn wake(self) {
        /// Whichever way it ends.
        struct Done<'a>(&'a Driver, u64);

        impl Drop for Done<'_> {
            fn drop(&mut self) {
                let mut due = lock(&self.0.due);
                let at = due.waking.iter().position(|(number, _)| *number == self.1);
                let waker = at.map(|at| due.waking.swap_remove(at));
                drop(due);
                drop(waker);
            }
        }

        let _done = self.number.map(|number| Done(self.driver, number));
        self.waker.wake();
    }
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
    fn come(&self, now: u64, is_child: bool, due: &mut AllDue) -> Option<u64> {
        let ticket = if is_child {
            // A thread that the fork has lost may have taken it. Who has it otherwise gives it back soon.
            (0..TRIES).find_map(|_| {
                let ticket = try_lock(&self.ticket);
                if ticket.is_none() {
                    thread::yield_now();
                }
                ticket
            })
        } else {
            Some(self.ticket())
        };
        let Some(mut ticket) = ticket else {
            return Some(now.saturating_add(LATER));
        };
        let mut is_token = false;
        if ticket.waker.is_some() {
            let when = self.driver.first_tick_at(ticket.at);
            if when > now {
                ticket.listed_at = Some(ticket.at);
                return Some(when);
            }
            is_token = self.status.load(Ordering::Relaxed) == status::TOKEN;
            // Release: so that the clock, to who reads it, has gone as far.
            self.status.store(status::LOOK, Ordering::Release);
        }
        ticket.listed_at = None;
        due.queue
            .extend(ticket.waker.take().map(|waker| Due { waker, is_token }));
        None
    }
}

impl Slot {
    /// There was no thread, and there is one now: the owner need not look.
    #[cold]
    fn watched_again(&self) {
        let ticket = self.ticket();
        if ticket.waker.is_some() {
            self.status.store(status::TASK, Ordering::Relaxed);
        }
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
        self.handle.slot.status.load(Ordering::Acquire) == status::LOOK
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
            if !slot.driver.serve() {
                // Nobody watches.
                slot.status.store(status::LOOK, Ordering::Relaxed);
                if self.is_past() {
                    return true;
                }
            } else if self.has_come() {
                slot.watched_again();
            }
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

    /// What the clock says.
    #[cold]
    fn is_past(&self) -> bool {
        let at = self.handle.slot.ticket().at;
        Instant::now() >= at
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

    /// As [`Driver::arm_for`], with this slot: without the driver's lock, if it is listed early enough.
    #[inline]
    pub(super) fn arm_for(self, at: Instant, waker: Waker, whose: For) -> Armed {
        let mut handle = self.handle;
        let driver = handle.slot.driver;
        let status = driver.status_for(&waker, whose);
        let mut ticket = handle.slot.ticket();
        ticket.at = at;
        ticket.waker = Some(waker);
        handle.slot.status.store(status, Ordering::Relaxed);
        let is_early_enough = ticket.listed_at.is_some_and(|listed_at| listed_at <= at);
        drop(ticket);
        if !is_early_enough {
            driver.list(&mut handle, at);
        }
        Armed { handle }
    }

    /// The same, for a task.
    #[cfg(test)]
    pub(super) fn arm(self, at: Instant, waker: Waker) -> Armed {
        self.arm_for(at, waker, For::Task)
    }
}

/// Starts a thread that serves a driver from this turn on, or says why it could not.
pub(super) type Spawn = fn(&'static Driver, usize) -> io::Result<()>;

/// A wheel and what it takes to drive it. One, in a static, is the timer of the process.
pub(super) struct Driver {
    /// Tick 0.
    origin: Instant,
    state: Mutex<State>,
    /// Wakers that have been taken from their slots. Its lock may be taken under that of the state.
    due: Mutex<AllDue>,
    /// The thread's.
    post: Post,
    spawn: Spawn,
}

struct State {
    wheel: Wheel<Arc<Slot>>,
    /// Until when the thread sleeps; `u64::MAX` for ever. See D1.
    wake_at: u64,
    /// Is the thread waiting for the bell, and has nobody rung it yet? See D2.
    parked: bool,
    /// Rung when `wake_at` was lowered while the thread was parked. A forked child gets another one: nobody can say what the
    /// system makes of one that had a waiter.
    bell: Arc<Condvar>,
    /// This process was made by `fork` after the driver was.
    is_child: bool,
}

impl Driver {
    /// A driver without a thread; `start` is called when one is first needed, and again if it
    /// failed. A test that drives by hand passes one that only returns `Ok`.
    pub(super) fn new(start: Spawn) -> Self {
        let state = State {
            wheel: Wheel::new(),
            wake_at: u64::MAX,
            parked: false,
            bell: Arc::new(Condvar::new()),
            is_child: false,
        };
        Self {
            origin: Instant::now(),
            state: Mutex::new(state),
            due: Mutex::new(AllDue::default()),
            post: Post::new(),
            spawn: start,
        }
    }

    /// As [`arm`](super::arm), on this driver.
    #[inline(never)]
    pub(super) fn arm_for(&'static self, at: Instant, waker: Waker, whose: For) -> Armed {
        let status = self.status_for(&waker, whose);
        let ticket = Ticket {
            at,
            waker: Some(waker),
            listed_at: None,
        };
        let slot = Arc::new(Slot {
            driver: self,
            status: AtomicU32::new(status),
            ticket: Mutex::new(ticket),
        });
        let mut handle = Handle { slot, key: Key::NONE };
        self.list(&mut handle, at);
        Armed { handle }
    }

    /// The same, for a task.
    #[cfg(test)]
    pub(super) fn arm(&'static self, at: Instant, waker: Waker) -> Armed {
        self.arm_for(at, waker, For::Task)
    }

    /// The status of a slot that is being armed. Sees to it that there is a thread.
    #[inline]
    fn status_for(&'static self, waker: &Waker, whose: For) -> u32 {
        if self.serve() {
            whose.status()
        } else {
            whose.unwatched(waker)
        }
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
        let mut ring = None;
        if tick < state.wake_at {
            state.wake_at = tick;
            ring = mem::take(&mut state.parked).then(|| Arc::clone(&state.bell));
        }
        drop(state);
        if let Some(bell) = ring {
            bell.notify_one();
        }
    }

    /// Queues what is due at `now`, at most [`BATCH`] wakers; returns whether there is more to do.
    fn collect(&self, now: Instant) -> bool {
        let now = self.last_tick_at(now);
        let mut state = self.lock();
        let State { wheel, is_child, .. } = &mut *state;
        let mut due = lock(&self.due);
        let more = wheel.advance(now, BATCH, |slot| slot.come(now, *is_child, &mut due));
        if !more {
            state.wake_at = state.wheel.next_expiry().unwrap_or(u64::MAX);
        }
        more
    }

    fn next_due(&self) -> Option<Waking<'_>> {
        let mut due = lock(&self.due);
        let Due { waker, is_token } = due.queue.pop_front()?;
        let number = is_token.then(|| {
            due.next += 1;
            let number = due.next;
            // A token's waker is the library's own: it may be cloned under a lock.
            due.waking.push((number, waker.clone()));
            number
        });
        Some(Waking {
            driver: self,
            waker,
            number,
        })
    }

    /// What the thread does, until somebody else has taken over. The clock is read for each batch, so that wakers which arm
    /// alarms in the past, without end, do not keep later deadlines from being seen.
    fn run(&self, shift: &Shift<'_>) {
        loop {
            while let Some(waker) = self.next_due() {
                if !shift.run(|| waker.wake()) {
                    return;
                }
            }
            if !self.collect(Instant::now()) && lock(&self.due).queue.is_empty() {
                self.park();
            }
        }
    }

    /// Fires what is due at `now`, as far as one batch goes; returns whether there is more to do.
    #[cfg(test)]
    pub(super) fn turn(&self, now: Instant) -> bool {
        let more = self.collect(now);
        while let Some(waker) = self.next_due() {
            crate::unwind::caught(|| waker.wake());
        }
        more
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
            let bell = Arc::clone(&state.bell);
            let waited = bell.wait_timeout(state, timeout.min(LONGEST_SLEEP));
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.parked = false;
        }
    }

    /// Starts the thread if there is none; `false` if that cannot be. Then the next who comes here tries again.
    #[inline]
    pub(super) fn serve(&'static self) -> bool {
        self.is_served() || self.start()
    }

    /// Is there a thread?
    #[inline]
    pub(super) fn is_served(&self) -> bool {
        self.post.is_held()
    }

    #[cold]
    fn start(&'static self) -> bool {
        crew::staff(self).is_ok()
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

    /// The shift of a thread that a test has started.
    #[cfg(test)]
    pub(super) fn begin(&self, turn: usize) -> Shift<'_> {
        Shift::begin(&self.post, turn)
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

impl Crew for Driver {
    fn post(&self) -> &Post {
        &self.post
    }

    fn start(&'static self, turn: usize) -> io::Result<()> {
        (self.spawn)(self, turn)
    }

    fn hold(&'static self) -> Box<dyn Held> {
        let state = self.lock();
        let due = lock(&self.due);
        Box::new(Locks { due, state })
    }
}

/// A driver while its process forks.
struct Locks {
    due: MutexGuard<'static, AllDue>,
    state: MutexGuard<'static, State>,
}

impl Held for Locks {
    /// The wheel stays as it is, and the next thread serves it. Until somebody needs one, nobody does: so tasks find that they
    /// have to look, and tokens have their check points look.
    fn in_child(mut self: Box<Self>) -> Vec<Waker> {
        self.state.bell = Arc::new(Condvar::new());
        (self.state.parked, self.state.is_child) = (false, true);
        let mut tokens: Vec<Waker> = self.due.waking.drain(..).map(|(_, waker)| waker).collect();
        let due = self.due.queue.iter().filter(|due| due.is_token);
        tokens.extend(due.map(|due| due.waker.clone()));
        self.state.wheel.for_each(|slot| {
            // One whose lock is taken is that of a lost thread.
            let Some(ticket) = try_lock(&slot.ticket) else { return };
            match &ticket.waker {
                Some(waker) if slot.status.load(Ordering::Relaxed) == status::TOKEN => tokens.push(waker.clone()),
                Some(_) => slot.status.store(status::LOOK, Ordering::Relaxed),
                None => {}
            }
        });
        tokens
    }
}

/// Starts a thread that runs `driver` for as long as it is on duty.
pub(super) fn spawn(driver: &'static Driver, turn: usize) -> io::Result<()> {
    crew::spawn("cancelable-timer", move || {
        driver.run(&Shift::begin(&driver.post, turn))
    })
    .map(drop)
}
