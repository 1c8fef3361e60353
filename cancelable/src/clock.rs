//! Which clock deadlines go by.
//!
//! Almost always the wall's (`std::time::Instant`). Under a tokio runtime whose clock is paused, as tests do, it is that
//! runtime's: it moves when the runtime moves it, and wall time does not count (L19).

use std::time::Instant;

/// A reading of the clock in force on this thread.
#[derive(Clone, Copy)]
pub(crate) struct Now {
    pub(crate) at: Instant,
    /// It is not the wall's clock: only the runtime knows when it moves.
    pub(crate) is_virtual: bool,
}

pub(crate) fn now() -> Now {
    #[cfg(feature = "tokio")]
    if let Some(now) = tokio_clock::now() {
        return now;
    }
    Now {
        at: Instant::now(),
        is_virtual: false,
    }
}

#[cfg(feature = "tokio")]
pub(crate) use tokio_clock::{VirtualSleep, virtual_sleep};

#[cfg(feature = "tokio")]
mod tokio_clock {
    use std::time::{Duration, Instant};

    use super::Now;
    use tokio::runtime::{Handle, RuntimeFlavor};
    use tokio::time;

    /// A timer of the virtual clock.
    pub(crate) type VirtualSleep = time::Sleep;

    /// Only for a moment that was read from the virtual clock: a runtime that has one can sleep.
    pub(crate) fn virtual_sleep(at: Instant) -> VirtualSleep {
        time::sleep_until(time::Instant::from_std(at))
    }

    /// The time in a runtime that could be paused.
    ///
    /// tokio has no question for whether it is, but a paused (or paused and moved) clock does not lie between two readings
    /// of the wall's. Only a current-thread runtime can be paused, so others are spared the readings; and a clock that
    /// has been moved by less than a millisecond has not been moved by a timer.
    pub(super) fn now() -> Option<Now> {
        let handle = Handle::try_current().ok()?;
        if handle.runtime_flavor() != RuntimeFlavor::CurrentThread {
            return None;
        }
        let before = Instant::now();
        let at = time::Instant::now().into_std();
        let is_close = at >= before && at - before < Duration::from_millis(1);
        let is_virtual = !is_close && (at < before || at > Instant::now());
        Some(Now { at, is_virtual })
    }
}

/// Without a runtime's clock there is nothing virtual to wait for.
#[cfg(not(feature = "tokio"))]
pub(crate) type VirtualSleep = std::future::Pending<()>;

#[cfg(not(feature = "tokio"))]
pub(crate) fn virtual_sleep(_at: Instant) -> VirtualSleep {
    std::future::pending()
}
