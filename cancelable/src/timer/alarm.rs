//! The alarms of this process, and the slots that each thread keeps for its next ones.
//!
//! A timeout round quick work is armed, and disarmed long before its time; the next one is for a little later. So a thread keeps
//! the slots of alarms that were dropped on it, and arms them again, which leaves the driver and its lock alone for as long as
//! the first one's timeout.

use std::cell::RefCell;
use std::fmt;
use std::sync::LazyLock;
use std::task::Waker;
use std::time::Instant;

use super::driver::{Armed, Driver, Idle, spawn};

/// How many slots a thread keeps.
const KEPT: usize = 8;

/// The timer of this process.
static SHARED: LazyLock<Driver> = LazyLock::new(|| Driver::new(spawn));

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
/// A deadline in the past is woken by the timer's thread at its next turn, never by this call: the
/// caller is not re-entered. One too far ahead for the clock is kept and never comes. O(1); reads no clock. Arms the slot that
/// this thread kept last, and takes the driver's lock only if that is not in the wheel early enough. Allocates if there is none.
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
#[inline]
pub(crate) fn arm(at: Instant, waker: Waker) -> Alarm {
    let idle = IDLE.try_with(|idle| idle.borrow_mut().0.pop()).ok().flatten();
    Alarm(Some(match idle {
        Some(idle) => idle.arm(at, waker),
        None => SHARED.arm(at, waker),
    }))
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
    /// Has the deadline come, as far as the timer's thread knows? If so, `Instant::now()` is not before it; if not, the
    /// waker will be woken after this has become true. One atomic load.
    #[must_use]
    #[inline]
    pub(crate) fn has_come(&self) -> bool {
        self.0.as_ref().is_some_and(Armed::has_come)
    }

    /// Makes `waker` the one to wake, and returns whether the alarm has fired.
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

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").finish_non_exhaustive()
    }
}
