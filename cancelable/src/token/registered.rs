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
            waiter: Waiter::new(),
        }
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
        // SAFETY: pinned, in this node's list or in none, and taken out before it is dropped (`PinnedDrop`); `token`
        // keeps the node (W1).
        let replaced = unsafe { node.enlist(waiter, notify) };
        replaced.is_ok()
    }

    /// Takes the waker back; `false` if it had been told or was never registered.
    pub(crate) fn unregister(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        let token: &CancellationToken = (*this.token).borrow();
        // SAFETY: listed with this node or not at all.
        unsafe { token.node.delist(&this.waiter) }.is_some()
    }
}
