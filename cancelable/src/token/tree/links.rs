//! One token listening to another: the two ends of a link.

use super::*;

/// The near end: what is listened to, and the entry in its list.
pub(in crate::token) struct SourceLink {
    pub(super) source: Handle,
    pub(super) waiter: Box<Waiter<LinkTarget>>,
}

/// The far end of a link: which token to cancel, and after how many of its sources.
pub(in crate::token) struct LinkTarget {
    pub(super) token: WeakHandle,
    pub(super) remaining: AtomicUsize,
}

impl LinkTarget {
    /// One of the sources is cancelled; the token to cancel now, if it was the one that counts and is still there.
    pub(super) fn fire(&self) -> Option<Handle> {
        // AcqRel: the last one sees what the others did.
        let before = self.remaining.fetch_sub(1, Ordering::AcqRel);
        if before == 1 { self.token.upgrade() } else { None }
    }
}

impl SourceLink {
    /// Undoes the link; the source, to be released, if this held its last handle.
    pub(super) fn into_last(self) -> Option<NonNull<Node>> {
        let Self { source, waiter } = self;
        // SAFETY: the waiter was listed with this source and nowhere else.
        unsafe { source.delist(&waiter) };
        drop(waiter);
        source.into_last()
    }
}
