//! Callbacks: code that runs when a token is cancelled, on the thread that cancels it.

use std::fmt;

use super::handle::CancellationToken;
use super::tree::LinkTarget;
use super::waiters::{BoxedWaiter, Notify};
use crate::reason::CancelReason;
use crate::trampoline;

/// A registered callback; made by [`CancellationToken::on_cancel`]. Dropping it unregisters the callback.
#[must_use = "dropping this unregisters the callback at once; call `detach` to keep it"]
pub struct CancelCallback {
    token: CancellationToken,
    /// `None` once it has been given away: detached, or run inline.
    waiter: Option<BoxedWaiter<LinkTarget>>,
    /// It never got into a list: the token can't be cancelled.
    is_vain: bool,
}

impl CancellationToken {
    /// Runs `f` when the token is cancelled: once, on the thread that cancels, after everything below the token reads as
    /// cancelled, in the order of registration. If the token is cancelled already, `f` runs here and now.
    ///
    /// Dropping the returned handle takes the callback back without waiting for one that is running;
    /// [`unregister`](CancelCallback::unregister) does so too and says whether it came in time;
    /// [`detach`](CancelCallback::detach) leaves the callback with the token. A callback may cancel, ask, register and
    /// drop tokens, this one too: no lock is held while it runs. It should not block: it holds up the thread that
    /// cancels. For a deadline that is the timer thread of the process. Each callback that blocks there holds up the deadlines
    /// of others for at most 20 milliseconds; then another thread goes on with them. At most eight may block at the same time:
    /// with more, the others wait for one of them. Until then their deadlines do not come, not even at check points.
    ///
    /// # The end of a scope
    ///
    /// A scope that ends cancels its token, also after a success, with kind [`ScopeEnded`](crate::ReasonKind::ScopeEnded). So a
    /// callback on a scope's token ([`current()`](crate::current())) runs at *every* end of the scope, unless it is taken back
    /// before. Keep the handle in a variable of the scope's body: it is dropped with the body, before the scope ends. A
    /// [detached](CancelCallback::detach) one has to ask for the kind:
    ///
    /// ```
    /// use cancelable::{Cancelled, ReasonKind, cancel_scope, current};
    ///
    /// let done = cancel_scope!({
    ///     let _kept = current().on_cancel(|_| panic!("taken back when the body is over"));
    ///     let detached = current().on_cancel(|reason| assert_eq!(reason.kind(), ReasonKind::ScopeEnded));
    ///     detached.detach();
    ///     Ok::<_, Cancelled>("done")
    /// });
    /// assert_eq!(done.unwrap(), "done");
    /// ```
    ///
    /// # Chains
    ///
    /// A callback that cancels a token whose callback cancels the next, and so on, nests as the calls do. So does one that drops
    /// a [`DropGuard`](crate::DropGuard). A long chain is better made of children, or of [linked](Self::any) tokens, which are
    /// cancelled in a loop.
    ///
    /// # Panics
    ///
    /// A callback that panics does not stop the others; the panic is resumed on the cancelling thread after they ran.
    /// (On the timer thread it ends there, after the panic hook has reported it.)
    ///
    /// ```
    /// use cancelable::CancellationToken;
    /// use std::sync::mpsc;
    ///
    /// let (tx, rx) = mpsc::channel();
    /// let token = CancellationToken::new();
    /// let callback = token.on_cancel(move |reason| tx.send(reason.to_string()).unwrap());
    /// token.cancel_with("user pressed stop");
    /// assert_eq!(rx.recv().unwrap(), "user pressed stop");
    /// assert!(!callback.unregister(), "it had run");
    /// ```
    pub fn on_cancel(&self, f: impl FnOnce(&CancelReason) + Send + 'static) -> CancelCallback {
        // A deadline may be unwatched until somebody relies on it.
        self.attend();
        let waiter = BoxedWaiter::new(Notify::Call(Box::new(f)));
        // SAFETY: boxed, and taken out before the box is freed: in `unregister`, in `Drop`, or, once detached, by the
        // list itself (W4). `token` below keeps the node.
        let waiter = if unsafe { self.node.enlist(&waiter) } {
            Some(waiter)
        } else {
            // SAFETY: in no list, and nobody else has it.
            let notify = unsafe { waiter.replace(Notify::Idle) };
            if let (Notify::Call(f), Some(reason)) = (notify, self.reason()) {
                f(&reason);
            }
            None
        };
        CancelCallback {
            token: self.clone(),
            waiter,
            is_vain: self.node.is_never(),
        }
    }
}

impl CancelCallback {
    /// Takes the callback back. `true`: it will never run; `false`: it ran, or is running now on another thread (or on
    /// this one, if this is called from inside it).
    ///
    /// For every callback exactly one of "this returned `true`" and "it ran" holds.
    pub fn unregister(mut self) -> bool {
        self.take_back()
    }

    /// Leaves the callback with the token and gives up the handle.
    ///
    /// On a scope's token the callback then runs at every end of the scope, also after a success, with kind
    /// [`ScopeEnded`](crate::ReasonKind::ScopeEnded).
    ///
    /// If the token's last handle is dropped before it is cancelled, the callback passes to the nearest ancestor that is
    /// still there; if there is none, the callback is dropped. (A token made by [`any`](CancellationToken::any) or
    /// [`all`](CancellationToken::all) has no ancestors, so what was detached on it, or came up to it, goes when it does.)
    pub fn detach(mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        // SAFETY: listed with this node or not at all. If it is, the list owns it from here on, and frees it by the pointer
        // that it knows it by, which is the box's own (W4); so the box is forgotten, which touches nothing of it.
        let is_listed = unsafe {
            self.token.node.with_listed(&waiter, |lock, listed| {
                listed.detach(lock);
            })
        };
        if is_listed {
            std::mem::forget(waiter);
        }
    }

    fn take_back(&mut self) -> bool {
        let Some(waiter) = self.waiter.take() else { return false };
        // SAFETY: listed with this node or not at all.
        let in_time = unsafe { self.token.node.delist(&waiter) } || self.is_vain;
        // The callback may keep the next one's handle, and so on: no chain of these is too long.
        trampoline::drop(waiter);
        in_time
    }
}

impl Drop for CancelCallback {
    fn drop(&mut self) {
        self.take_back();
    }
}

impl fmt::Debug for CancelCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelCallback")
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
