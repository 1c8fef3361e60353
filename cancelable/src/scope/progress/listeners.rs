//! How many listen to what code says of its progress: if nobody does, it is not looked for any.

use std::sync::atomic::{AtomicUsize, Ordering};

static LISTENERS: AtomicUsize = AtomicUsize::new(0);
/// Those of them who are to be told although they are not the nearest.
static IDLE_TIMEOUTS: AtomicUsize = AtomicUsize::new(0);

#[inline(always)]
pub(super) fn are_any() -> bool {
    LISTENERS.load(Ordering::Relaxed) > 0
}

pub(super) fn are_any_idle_timeouts() -> bool {
    IDLE_TIMEOUTS.load(Ordering::Relaxed) > 0
}

/// Something that a token keeps, where `progress` finds it.
pub(in crate::scope) struct Listener<T> {
    pub(in crate::scope) hears: T,
    is_idle_timeout: bool,
}

impl<T> Listener<T> {
    /// The nearest one hears.
    pub(super) fn node(hears: T) -> Self {
        Self::new(hears, false)
    }

    /// All hear.
    pub(in crate::scope) fn idle_timeout(hears: T) -> Self {
        Self::new(hears, true)
    }

    fn new(hears: T, is_idle_timeout: bool) -> Self {
        LISTENERS.fetch_add(1, Ordering::Relaxed);
        IDLE_TIMEOUTS.fetch_add(usize::from(is_idle_timeout), Ordering::Relaxed);
        Self { hears, is_idle_timeout }
    }
}

impl<T> Drop for Listener<T> {
    fn drop(&mut self) {
        LISTENERS.fetch_sub(1, Ordering::Relaxed);
        IDLE_TIMEOUTS.fetch_sub(usize::from(self.is_idle_timeout), Ordering::Relaxed);
    }
}
