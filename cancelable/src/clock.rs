//! Which clock deadlines go by.
//!
//! Almost always the wall's (`std::time::Instant`). Two others are *virtual*, which wall time does not move: that of a
//! tokio runtime whose clock is paused, as tests do (L19), and the hand-driven one of the feature `testing`. A timer
//! thread cannot watch them; whoever waits for a moment of theirs asks them to be woken ([`virtual_sleep`]).

use std::cell::OnceCell;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

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

/// Is this thread in a runtime whose clock may be paused at any time?
pub(crate) fn may_be_paused() -> bool {
    #[cfg(feature = "tokio")]
    return tokio_clock::may_be_paused();
    #[cfg(not(feature = "tokio"))]
    return false;
}

/// And has it been? (Of a hand-driven clock, code knows from the start.)
pub(crate) fn is_paused() -> bool {
    #[cfg(feature = "tokio")]
    return tokio_clock::now().is_virtual;
    #[cfg(not(feature = "tokio"))]
    return false;
}

/// One look at the wall's clock, taken when it is first needed, for all who ask at the same moment.
#[derive(Default)]
pub(crate) struct Glance(OnceCell<Instant>);

impl Glance {
    /// One that has been taken.
    pub(crate) fn at(now: Instant) -> Self {
        Self(OnceCell::from(now))
    }

    /// If it has been.
    #[inline]
    pub(crate) fn taken(&self) -> Option<Instant> {
        self.0.get().copied()
    }

    #[inline]
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

/// A timer of a virtual clock: ready at its moment; or with what is left until then, by real time, once that clock is gone. May
/// be polled again after that.
pub(crate) type VirtualSleep = Pin<Box<dyn Future<Output = Duration> + Send + Sync>>;

/// A timer for `at` by the virtual clock in force, from which that moment was read; `None` if there is none any more.
pub(crate) fn virtual_sleep(at: Instant) -> Option<VirtualSleep> {
    #[cfg(feature = "testing")]
    if let Some(clock) = hand::current() {
        return Some(Box::pin(clock.sleep_until(at)));
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
fn runtime_sleep(_at: Instant) -> Option<VirtualSleep> {
    None
}

#[cfg(feature = "tokio")]
mod tokio_clock {
    use std::future::Future;
    use std::pin::{Pin, pin};
    use std::task::{Context, Poll};
    use std::time::{Duration, Instant};

    use super::{Now, VirtualSleep};
    use tokio::runtime::{Handle, RuntimeFlavor};
    use tokio::task::unconstrained;
    use tokio::time::{self, Sleep};

    /// Can a clock of tokio's be paused in this build? Only with its feature `test-util`, which programs have in their tests at
    /// most. Nothing tells of it but that there is a `tokio::time::pause`.
    const CAN_BE_PAUSED: bool = {
        // What a glob brings into a block goes before what is around the block.
        #[allow(unused_imports, clippy::wildcard_imports, reason = "it may bring nothing")]
        use tokio::time::*;
        returns(pause)
    };

    /// In the place of tokio's.
    #[allow(dead_code, reason = "tokio may have one")]
    const fn pause() -> Absent {
        Absent
    }

    struct Absent;

    trait Returned {
        const BY_TOKIO: bool;
    }

    impl Returned for () {
        const BY_TOKIO: bool = true;
    }

    impl Returned for Absent {
        const BY_TOKIO: bool = false;
    }

    const fn returns<R: Returned>(_: fn() -> R) -> bool {
        R::BY_TOKIO
    }

    /// A moment was read from a runtime's clock: that runtime can sleep.
    pub(super) fn sleep_until(at: Instant) -> Option<VirtualSleep> {
        let runtime = Handle::try_current().ok()?;
        now().is_virtual.then(|| {
            let sleep = Box::pin(time::sleep_until(time::Instant::from_std(at)));
            Box::pin(RuntimeSleep { runtime, at, sleep }) as VirtualSleep
        })
    }

    /// tokio's timer panics if it is polled when its runtime has been shut down. But that ends all timers, and they say so.
    struct RuntimeSleep {
        runtime: Handle,
        at: Instant,
        sleep: Pin<Box<Sleep>>,
    }

    impl Future for RuntimeSleep {
        type Output = Duration;

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Duration> {
            // It is the task's business, not an operation of its body, for which there is a budget.
            if !self.sleep.is_elapsed() && pin!(unconstrained(self.sleep.as_mut())).poll(cx).is_pending() {
                return Poll::Pending;
            }
            let _context = self.runtime.enter();
            let now = time::Instant::now().into_std();
            Poll::Ready(self.at.saturating_duration_since(now))
        }
    }

    /// The time, if this thread is in a runtime whose clock is paused or has been, or the real time.
    ///
    /// tokio has no question for whether its clock is paused. Two things tell. A clock that does not move while real time
    /// does is paused. And one that runs, but is a millisecond or more from real time, has been.
    /// (By less than that no timer moves it.) Only a current-thread runtime's clock can be paused.
    pub(super) fn now() -> Now {
        let before = Instant::now();
        if !CAN_BE_PAUSED {
            return Now {
                at: before,
                is_virtual: false,
            };
        }
        let at = time::Instant::now().into_std();
        let is_close = at >= before && at - before < Duration::from_millis(1);
        let is_running = is_close && time::Instant::now().into_std() > at;
        Now {
            at,
            is_virtual: !is_running && is_virtual(before, at),
        }
    }

    pub(super) fn may_be_paused() -> bool {
        CAN_BE_PAUSED
            && Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread)
    }

    #[cold]
    fn is_virtual(before: Instant, at: Instant) -> bool {
        may_be_paused() && (at < before || at > Instant::now() || stands_still(at))
    }

    /// Real time may move in steps: until it has made one, nothing is known.
    fn stands_still(at: Instant) -> bool {
        let before = Instant::now();
        while Instant::now() == before {
            std::hint::spin_loop();
        }
        time::Instant::now().into_std() == at
    }
}
