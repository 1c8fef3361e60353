//! What comes of a deadline that has passed, and of one that no thread watches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use super::deadline::Deadline;
use super::notify::cancel;
use super::tree::{Handle, WeakHandle};
use crate::fork;
use crate::primitive;

/// Have there been deadlines that no thread watched, when it should have?
static WERE_UNWATCHED: AtomicBool = AtomicBool::new(false);

/// Is a closer look in order than is usual, because deadlines may be without a thread that watches them? One load.
pub(super) fn were_unwatched() -> bool {
    WERE_UNWATCHED.load(Ordering::Relaxed)
}

/// No thread watches this node's deadline: all who rely on it are to look for themselves.
#[cold]
pub(super) fn is_unwatched(node: &Handle) {
    WERE_UNWATCHED.store(true, Ordering::Relaxed);
    node.spread_attention();
    #[cfg(not(cancelable_loom))]
    if !fork::is_recovering() {
        crate::park::look_again();
    }
}

/// Cancels a node because of its deadline, which has passed.
pub(super) fn expire(node: &Handle) {
    let cause = node.with_extras(|extras| extras.deadline.as_ref().map(Deadline::cause));
    if let Some(cause) = cause.flatten() {
        cancel(node, primitive::Arc::new(cause));
    }
}

/// Cancels a token when its deadline passes: what the timer wakes. It does not keep the token alive.
pub(super) struct Expiry(WeakHandle);

impl Expiry {
    /// The waker that the timer is to wake for this node.
    pub(super) fn waker_for(node: &Handle) -> Waker {
        Waker::from(Arc::new(Self(node.downgrade())))
    }
}

impl Wake for Expiry {
    fn wake(self: Arc<Self>) {
        let Some(node) = self.0.upgrade() else { return };
        if fork::is_recovering() {
            // Its time may not have come, and if it has, nothing of the user's may run here.
            is_unwatched(&node);
        } else {
            expire(&node);
        }
    }
}
