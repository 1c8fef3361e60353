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
    if let Some(at) = tokio_clock::virtual_now() {
        return Now { at, is_virtual: true };
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
    use std::time::Instant;

    use tokio::runtime::{Handle, RuntimeFlavor};
    use tokio::time;

    /// A timer of the virtual clock.
    pub(crate) type VirtualSleep = time::Sleep;

    /// Only for a moment that was read from the virtual clock: a runtime that has one can sleep.
    pub(crate) fn virtual_sleep(at: Instant) -> VirtualSleep {
        time::sleep_until(time::Instant::from_std(at))
    }

    /// tokio's time, if this thread is in a runtime whose clock is not the wall's.
    ///
    /// tokio has no question for that, but a paused (or paused and moved) clock does not lie between two readings of
    /// the wall's. Only a current-thread runtime can be paused, so others are spared the readings.
    pub(super) fn virtual_now() -> Option<Instant> {
        let handle = Handle::try_current().ok()?;
        if handle.runtime_flavor() != RuntimeFlavor::CurrentThread {
            return None;
        }
        let before = Instant::now();
        let theirs = time::Instant::now().into_std();
        (theirs < before || theirs > Instant::now()).then_some(theirs)
    }
}

/// Without a runtime's clock there is nothing virtual to wait for.
#[cfg(not(feature = "tokio"))]
pub(crate) type VirtualSleep = std::future::Pending<()>;

#[cfg(not(feature = "tokio"))]
pub(crate) fn virtual_sleep(_at: Instant) -> VirtualSleep {
    std::future::pending()
}
