//! What the timer wakes when a token's deadline has come; and tokens in a process made by `fork`.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Wake, Waker};

use super::handle::CancellationToken;
use super::lock::{AllLocks, lock_all};
use super::tree::{Handle, WeakHandle};
use crate::fork::{self, Hook, Layer};

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

/// Cancels a token when its deadline passes. It does not keep the token alive.
pub(super) struct Expiry(WeakHandle);

impl Expiry {
    /// The waker that the timer is to wake for this node.
    pub(super) fn waker_for(node: &Handle) -> Waker {
        fork::register(Layer::Trees, || Hook {
            before,
            after,
            recover: || {},
        });
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
            CancellationToken { node }.expire_now();
        }
    }
}

// Forks ---------------------------------------------------------------------------------------------------------------

/// The locks of a process that is being forked.
struct Forking {
    _trees: AllLocks,
    #[cfg(not(cancelable_loom))]
    _listed: crate::park::ListLock,
}

thread_local! {
    static FORKING: RefCell<Option<Forking>> = const { RefCell::new(None) };
}

fn before() {
    let forking = Forking {
        _trees: lock_all(),
        #[cfg(not(cancelable_loom))]
        _listed: crate::park::lock_list(),
    };
    // A thread that forks as its locals are destroyed keeps nothing.
    _ = FORKING.try_with(|slot| *slot.borrow_mut() = Some(forking));
}

fn after(_is_child: bool) {
    drop(FORKING.try_with(|slot| slot.borrow_mut().take()));
}
