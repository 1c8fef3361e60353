//! Which clock deadlines go by.
//!
//! Almost always the wall's (`std::time::Instant`). Two others are *virtual*, which wall time does not move: that of a
//! tokio runtime whose clock is paused, as tests do (L19), and the hand-driven one of the feature `testing`. A timer
//! thread cannot watch them; whoever waits for a moment of theirs asks them to be woken ([`virtual_sleep`]).

use std::cell::OnceCell;
use std::future::Future;
use std::pin::Pin;
use std::time::Instant;

#[cfg(feature = "testing")]
pub(crate) mod hand;

/// A reading of the clock in force on this thread.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) at: Instant,
    /// It is not the wall's clock: only its owner knows when it moves.
    pub(crate) is_virtual: bool,
}

pub(crate) fn now() -> Now {
    #[cfg(feature = "testing")]
    if let Some(clock) = hand::current() {
        return Now {
            at: clock.now(),
            is_virtual: true,
        };
    }
    #[cfg(feature = "tokio")]
    return tokio_clock::now();
    #[cfg(not(feature = "tokio"))]
    Now {
        at: Instant::now(),
        is_virtual: false,
    }
}

/// One look at the wall's clock, taken when it is first needed, for all who ask at the same moment.
#[derive(Default)]
pub(crate) struct Glance(OnceCell<Instant>);

impl Glance {
    pub(crate) fn now(&self) -> Instant {
        *self.0.get_or_init(Instant::now)
    }
}

/// The hand-driven clock in force, to be put in force wherever something is polled on behalf of the code here. (A
/// runtime's goes with the runtime.)
pub(crate) struct InForce {
    #[cfg(feature = "testing")]
    clock: Option<hand::Clock>,
}

impl InForce {
    pub(crate) fn here() -> Self {
        Self {
            #[cfg(feature = "testing")]
            clock: hand::current(),
        }
    }

    pub(crate) fn apply<R>(&self, f: impl FnOnce() -> R) -> R {
        #[cfg(feature = "testing")]
        if let Some(clock) = &self.clock {
            return clock.sync_scope(f);
        }
        f()
    }
}

/// A timer of a virtual clock.
pub(crate) type VirtualSleep = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// Ready at `at` by the virtual clock in force, from which that moment was read.
pub(crate) fn virtual_sleep(at: Instant) -> VirtualSleep {
    #[cfg(feature = "testing")]
    if let Some(clock) = hand::current() {
        return Box::pin(clock.sleep_until(at));
    }
    runtime_sleep(at)
}

/// Is it a clock that a blocked thread can wait for? (Blocking a runtime's thread would stop its clock.)
pub(crate) fn is_hand_driven() -> bool {
    #[cfg(feature = "testing")]
    return hand::current().is_some();
    #[cfg(not(feature = "testing"))]
    return false;
}

/// This thread is about to go to sleep. `true`: a clock that moves by itself has done so instead, and woken somebody.
pub(crate) fn move_on() -> bool {
    #[cfg(feature = "testing")]
    return hand::move_on();
    #[cfg(not(feature = "testing"))]
    return false;
}

#[cfg(feature = "tokio")]
use tokio_clock::sleep_until as runtime_sleep;

/// Without a runtime's clock there is nothing to wait for.
#[cfg(not(feature = "tokio"))]
fn runtime_sleep(_at: Instant) -> VirtualSleep {
    Box::pin(std::future::pending())
}

#[cfg(feature = "tokio")]
mod tokio_clock {
    use std::time::{Duration, Instant};

    use super::{Now, VirtualSleep};
    use tokio::runtime::{Handle, RuntimeFlavor};
    use tokio::time;

    /// Only for a moment that was read from a runtime's clock: such a runtime can sleep.
    pub(super) fn sleep_until(at: Instant) -> VirtualSleep {
        Box::pin(time::sleep_until(time::Instant::from_std(at)))
    }

    /// The time, if this thread is in a runtime whose clock is paused, or is the wall's.
    ///
    /// tokio has no question for whether it is paused, but a paused (or paused and moved) clock does not lie between two
    /// readings of the wall's. A clock that has been moved by less than a millisecond has not been moved by a timer; and
    /// only a current-thread runtime can be paused.
    pub(super) fn now() -> Now {
        let before = Instant::now();
        let at = time::Instant::now().into_std();
        let is_close = at >= before && at - before < Duration::from_millis(1);
        Now {
            at,
            is_virtual: !is_close && is_far(before, at),
        }
    }

    #[cold]
    fn is_far(before: Instant, at: Instant) -> bool {
        (at < before || at > Instant::now())
            && Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread)
    }
}
