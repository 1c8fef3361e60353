//! The alarms of this process, and the slots that each thread keeps for its next ones.
//!
//! A timeout round quick work is armed, and disarmed long before its time; the next one is for a little later. So a thread keeps
//! the slots of alarms that were dropped on it, and arms them again, which leaves the driver and its lock alone for as long as
//! the first one's timeout.

use std::cell::RefCell;
#[cfg(not(cancelable_loom))]
use std::sync::LazyLock;
use std::task::Waker;
use std::time::Instant;

use super::driver::{Armed, Driver, For, Idle, spawn};

/// How many slots a thread keeps. (In models, whose threads are all one to the system: none.)
const KEPT: usize = if cfg!(cancelable_loom) { 0 } else { 8 };

/// The timer of this process.
#[cfg(not(cancelable_loom))]
static SHARED: LazyLock<Driver> = LazyLock::new(|| Driver::new(spawn));

// In models: one per execution, whose thread is the model's business.
#[cfg(cancelable_loom)]
loom::lazy_static! {
    static ref SHARED: Driver = Driver::new(|_, _| Ok(()));
}

fn shared() -> &'static Driver {
    &SHARED
}

thread_local! {
    /// The one kept last is taken first. No user code runs while it is borrowed.
    static IDLE: RefCell<Kept> = const { RefCell::new(Kept(Vec::new())) };
}

struct Kept(Vec<Idle>);

impl Drop for Kept {
    /// The thread is going away. It waits for no lock: in a process made by `fork`, a thread that is not there may hold it.
    fn drop(&mut self) {
        self.0.drain(..).for_each(Idle::leave);
    }
}

/// Arms an alarm on the timer of this process: `waker` is woken when `at` has come.
///
/// A deadline in the past is woken by the timer's thread when it looks next, never by this call: the
/// caller is not re-entered. One too far ahead for the clock is kept and never comes. O(1); reads no clock. Arms the slot that
/// this thread kept last, and takes the driver's lock only if that is not in the wheel early enough. Allocates if there is none.
///
/// # If the thread cannot be started, or was lost in a fork
///
/// The alarm is armed all the same. Starting is tried again at every further use of the timer: [`arm`],
/// [`Alarm::update`], [`serve`]. The thread's first act is to fire what is overdue. Until then
/// [`Alarm::has_come`] says `true` and [`Alarm::update`] goes by the clock. `waker` is woken at once, so that its task looks.
///
/// # Panics
///
/// With four billion alarms armed.
#[inline]
pub(crate) fn arm(at: Instant, waker: Waker) -> Alarm {
    arm_for(at, waker, For::Task)
}

#[inline]
fn arm_for(at: Instant, waker: Waker, whose: For) -> Alarm {
    let idle = IDLE.try_with(|idle| idle.borrow_mut().0.pop()).ok().flatten();
    Alarm(Some(match idle {
        Some(idle) => idle.arm_for(at, waker, whose),
        None => shared().arm_for(at, waker, whose),
    }))
}

/// As [`arm`], for a token. If there is no thread, its waker is not woken at once: ask [`serve`]. It may be woken before its
/// time in a process made by `fork`, on the thread that forked: it
/// is to have the token's check points look at the clock, and must not run anything of the user's then.
pub(crate) fn arm_for_token(at: Instant, waker: Waker) -> Alarm {
    arm_for(at, waker, For::Token)
}

/// Is there a thread that watches what has been armed? Starts it if not; `false` if it cannot be started.
pub(crate) fn serve() -> bool {
    shared().serve()
}

/// As [`serve`], without starting it. One load.
pub(crate) fn is_served() -> bool {
    shared().is_served()
}

/// For models: what the timer's thread does at this moment.
#[cfg(all(test, cancelable_loom))]
pub(crate) fn turn(now: Instant) {
    while shared().turn(now) {}
}

/// For models: how many alarms are listed.
#[cfg(all(test, cancelable_loom))]
pub(crate) fn listed() -> usize {
    shared().len()
}

/// A deadline that is being waited for; made by [`arm`].
///
/// Dropping it disarms: O(1), the waker is dropped before the drop returns, outside the timer's locks. A wake that the timer's
/// thread has begun is not waited for, so the waker may be woken once more, as any waker may. Dropping it after it has fired is
/// fine.
#[must_use = "dropping an alarm disarms it"]
pub(crate) struct Alarm(
    /// Until it is dropped.
    Option<Armed>,
);

impl Alarm {
    /// Is it time to look at the alarm? Either the deadline has come, as far as the timer's thread knows, or there is no such
    /// thread. If `false`, the waker will be woken after this has become true. One atomic load.
    #[must_use]
    #[inline]
    pub(crate) fn has_come(&self) -> bool {
        self.0.as_ref().is_some_and(Armed::has_come)
    }

    /// Makes `waker` the one to wake, and returns whether the alarm has fired. Without a thread: whether it is time.
    ///
    /// `true` means that it came too late: nothing will wake `waker`, so a future returns ready.
    /// Nothing is cloned if [`Waker::will_wake`] says that the present one does as well. O(1);
    /// neither clones nor drops a waker under a lock.
    #[must_use = "if the alarm has fired, nothing will wake this waker"]
    pub(crate) fn update(&mut self, waker: &Waker) -> bool {
        self.0.as_mut().is_none_or(|armed| armed.update(waker))
    }
}

impl Drop for Alarm {
    #[inline(always)]
    fn drop(&mut self) {
        if let Some(armed) = self.0.take() {
            disarm(armed);
        }
    }
}

/// Not inlined, so that it costs little to drop where an alarm might be, and is not.
#[inline(never)]
fn disarm(armed: Armed) {
    let idle = armed.rest();
    // One too many, or one whose thread is going away, is dropped.
    let surplus = IDLE.try_with(|kept| {
        let kept = &mut kept.borrow_mut().0;
        if kept.len() < KEPT {
            kept.push(idle);
            None
        } else {
            Some(idle)
        }
    });
    drop(surplus);
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests;
