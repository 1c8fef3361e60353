//! Cancels that come through the registry, of scopes whose token had not been made.
//!
//! Nothing that the check points of such a scope ask says that its token has been: they ask those of others, or the clock. So they look
//! at this word, too, which is written only when somebody is cancelled so.

use std::sync::atomic::{AtomicUsize, Ordering};

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// How many there have been.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct OutsideCancels(usize);

impl OutsideCancels {
    #[inline]
    pub(crate) fn so_far() -> Self {
        Self(COUNT.load(Ordering::Acquire))
    }

    /// One more, whose token has been made and cancelled.
    pub(crate) fn count() {
        COUNT.fetch_add(1, Ordering::AcqRel);
    }
}
