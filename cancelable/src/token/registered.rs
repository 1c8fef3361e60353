//! A waiter together with the token whose list it is in: the safe type round W1.
//!
//! The token, owned or borrowed, keeps the node; the waiter is pinned and leaves the list before its memory goes. One
//! type serves futures, scopes, guards and blocked threads.

use std::borrow::Borrow;
use std::pin::Pin;
use std::task::Waker;

use super::handle::CancellationToken;
use super::tree::LinkTarget;
use super::waiters::{Notify, Waiter};

pin_project_lite::pin_project! {
    /// A place in a token's list for one waker.
    pub(crate) struct Registered<T>
    where
        T: Borrow<CancellationToken>,
    {
        token: T,
        #[pin]
        waiter: Waiter<LinkTarget>,
    }

    impl<T> PinnedDrop for Registered<T>
    where
        T: Borrow<CancellationToken>,
    {
        fn drop(this: Pin<&mut Self>) {
            this.unregister();
        }
    }
}

impl<T: Borrow<CancellationToken>> Registered<T> {
    /// Registers nothing yet. `T` is a token or a reference to one, so that it always borrows as the same.
    pub(crate) fn new(token: T) -> Self {
        Self {
            token,
            waiter: Waiter::new(Notify::Idle),
        }
    }

    /// Takes another token; registers nothing with that yet.
    pub(crate) fn adopt(mut self: Pin<&mut Self>, token: T) {
        self.as_mut().unregister();
        *self.project().token = token;
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        self.token.borrow()
    }

    /// Has `waker` woken by the cancel, instead of the one given before; in the first round if it is `foreign`.
    /// `false`: the token is cancelled, and nothing is registered.
    pub(crate) fn register(self: Pin<&mut Self>, waker: &Waker, foreign: bool) -> bool {
        let this = self.project();
        let token: &CancellationToken = (*this.token).borrow();
        let node = &token.node;
        let waiter = this.waiter.into_ref().get_ref();
        // Cloned outside the lock, and what it replaces is dropped outside: wakers are user code.
        let notify = Notify::Wake {
            waker: waker.clone(),
            foreign,
        };
        if waiter.is_linked() {
            // SAFETY: ours, and if it still is in a list, it is in this node's.
            return unsafe { node.relist(waiter, notify) }.is_ok();
        }
        // SAFETY: ours, and in no list (W3).
        drop(unsafe { waiter.replace(notify) });
        // SAFETY: pinned, in no list, and taken out before it is dropped (`PinnedDrop`); `token` keeps the node (W1).
        unsafe { node.enlist(waiter) }
    }

    /// Takes the waker back; `false` if it had been told or was never registered.
    #[inline]
    pub(crate) fn unregister(self: Pin<&mut Self>) -> bool {
        let waiter = self.as_ref().project_ref().waiter.get_ref();
        // SAFETY: ours, and asked only if it is in no list (W3).
        if !waiter.is_linked() && unsafe { waiter.is_idle() } {
            return false;
        }
        self.unregister_waker()
    }

    fn unregister_waker(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        let token: &CancellationToken = (*this.token).borrow();
        let waiter = this.waiter.into_ref().get_ref();
        // SAFETY: ours, and listed with this node or not at all.
        let in_time = unsafe { token.node.delist(waiter) };
        // SAFETY: ours, and in no list by now (W3).
        drop(unsafe { waiter.replace(Notify::Idle) });
        in_time
    }
}
