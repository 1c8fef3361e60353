//! A waiter together with the token whose list it is in: the safe type round W1.
//!
//! The token, owned or borrowed, keeps the node; the waiter is pinned and leaves the list before its memory goes. One
//! type serves futures, scopes, guards and blocked threads.

use std::borrow::Borrow;
use std::mem;
use std::pin::Pin;
use std::ptr;
use std::task::{RawWakerVTable, Waker};

use super::handle::CancellationToken;
use super::tree::LinkTarget;
use super::waiters::{Notify, Waiter};
use crate::timer;

pin_project_lite::pin_project! {
    /// A place in a token's list for one waker.
    pub(crate) struct Registered<T>
    where
        T: Borrow<CancellationToken>,
    {
        token: T,
        #[pin]
        waiter: Waiter<LinkTarget>,
        // Of the waker that is registered; of the last one, once the token is cancelled.
        kept: Option<WakerId>,
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

/// What makes two wakers the same ([`Waker::will_wake`]), to compare without the lock and without another clone.
///
/// It is that of the clone which is kept, not of the waker that was cloned: the two may differ, and the latter may be gone,
/// and its address given to another. The clone is alive as long as it is registered. Once it has been notified the token is
/// cancelled, and nobody compares any more.
///
/// A clone of the same data may have another table, though: the compiler makes copies of constants, as of that of tokio's
/// `block_on`. As long as the clone is alive, those data are the same task's, whichever of the two tables they come with.
#[derive(Clone, Copy)]
struct WakerId {
    data: usize,
    vtable: &'static RawWakerVTable,
    /// Of the waker that was cloned, if the clone has the same data.
    given: &'static RawWakerVTable,
}

impl WakerId {
    fn of(clone: &Waker, waker: &Waker) -> Self {
        let has_same_data = clone.data() == waker.data();
        Self {
            data: clone.data().addr(),
            vtable: clone.vtable(),
            given: if has_same_data { waker.vtable() } else { clone.vtable() },
        }
    }

    #[inline]
    fn is(self, waker: &Waker) -> bool {
        let is_its = |vtable| ptr::eq(vtable, waker.vtable());
        self.data == waker.data().addr() && (is_its(self.given) || is_its(self.vtable))
    }
}

impl<T: Borrow<CancellationToken>> Registered<T> {
    /// Registers nothing yet. `T` is a token or a reference to one, so that it always borrows as the same.
    pub(crate) fn new(token: T) -> Self {
        Self {
            token,
            waiter: Waiter::new(Notify::Idle),
            kept: None,
        }
    }

    /// Takes another token; registers nothing with that yet.
    #[inline]
    pub(crate) fn adopt(self: Pin<&mut Self>, token: T) {
        if self.is_idle() {
            let this = self.project();
            *this.kept = None;
            drop(mem::replace(this.token, token));
        } else {
            self.adopt_anew(token);
        }
    }

    #[inline(never)]
    fn adopt_anew(mut self: Pin<&mut Self>, token: T) {
        let (_, waker) = self.as_mut().take_out();
        let old = mem::replace(self.project().token, token);
        // User code, and so the last thing.
        drop(waker);
        drop(old);
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        self.token.borrow()
    }

    /// Has a waker been registered, since the last [`adopt`](Self::adopt) or [`unregister`](Self::unregister)?
    pub(crate) fn has_waker(&self) -> bool {
        self.kept.is_some()
    }

    /// Is `waker` the one that is registered?
    #[inline]
    pub(crate) fn has(&self, waker: &Waker) -> bool {
        self.kept.is_some_and(|kept| kept.is(waker))
    }

    /// Has `waker` woken by the cancel, instead of the one given before; in the first round if it is `foreign`.
    /// `false`: the token is cancelled, and nothing is registered.
    ///
    /// If no thread can be had to watch a deadline of the token, the task is polled again and again until that comes.
    ///
    /// # Panics
    /// If the waker's clone does: then nothing has changed. If the destructor of the one before does: then `waker` is
    /// registered, or the token is cancelled. Without a thread also if a callback of the token does, which is cancelled then.
    pub(crate) fn register(mut self: Pin<&mut Self>, waker: &Waker, foreign: bool) -> bool {
        // Cloned outside the lock, and what it replaces is dropped outside: wakers are user code.
        self.as_mut().put(waker.clone(), waker, foreign) && self.looks_after(waker)
    }

    /// As [`register`](Self::register), for a thread that blocks and looks at the clock by itself: `waker` is woken by the cancel
    /// and by nothing else.
    pub(super) fn register_thread(self: Pin<&mut Self>, waker: &Waker) -> bool {
        self.put(waker.clone(), waker, false)
    }

    /// As [`register`](Self::register), for a waker that is woken in the other round than the one before: that is taken back
    /// first.
    pub(crate) fn register_anew(mut self: Pin<&mut Self>, waker: &Waker, foreign: bool) -> bool {
        let clone = waker.clone();
        let (_, before) = self.as_mut().take_out();
        let in_time = self.as_mut().put(clone, waker, foreign);
        drop(before);
        in_time && self.looks_after(waker)
    }

    /// After a waker was registered: the token's deadline is watched, or else this task looks. `false`: it has come.
    #[inline]
    fn looks_after(self: Pin<&mut Self>, waker: &Waker) -> bool {
        let is_watched = self.token().is_quiet() || timer::is_served();
        is_watched || self.look_again(waker)
    }

    /// No thread watches deadlines. The task is woken, and comes back here when it is polled, for its waker does not count as
    /// registered.
    #[cold]
    fn look_again(self: Pin<&mut Self>, waker: &Waker) -> bool {
        if self.token().is_cancelled() {
            return false;
        }
        if self.token().look_at().is_some() && !timer::is_served() {
            *self.project().kept = None;
            timer::wake_by_turns(waker);
        }
        true
    }

    fn put(self: Pin<&mut Self>, clone: Waker, waker: &Waker, foreign: bool) -> bool {
        let this = self.project();
        let token: &CancellationToken = (*this.token).borrow();
        let node = &token.node;
        let waiter = this.waiter.into_ref().get_ref();
        let id = WakerId::of(&clone, waker);
        if waiter.is_linked() {
            let notify = Notify::Wake { waker: clone, foreign };
            // SAFETY: ours, and if it still is in a list, it is in this node's.
            let replaced = unsafe { node.relist(waiter, notify) };
            let in_time = replaced.is_ok();
            *this.kept = in_time.then_some(id);
            drop(replaced);
            return in_time;
        }
        // SAFETY: the waiter is this pinned struct's own, and has just been found in no list (W3), so its entry is ours (W2).
        let replaced = unsafe { waiter.replace_waker(clone, foreign) };
        // SAFETY: pinned, in no list, and taken out before it is dropped (`PinnedDrop`); `token` keeps the node (W1).
        let in_time = unsafe { node.enlist(waiter) };
        *this.kept = in_time.then_some(id);
        drop(replaced);
        in_time
    }

    /// Takes the waker back; `false` if it had been woken or was never registered.
    #[inline]
    pub(crate) fn unregister(self: Pin<&mut Self>) -> bool {
        if self.is_idle() {
            *self.project().kept = None;
            return false;
        }
        self.unregister_waker()
    }

    #[inline(never)]
    fn unregister_waker(self: Pin<&mut Self>) -> bool {
        let (in_time, waker) = self.take_out();
        // User code, and so the last thing.
        drop(waker);
        in_time
    }

    /// Is there nothing to take back?
    #[inline]
    fn is_idle(&self) -> bool {
        // SAFETY: ours, and asked only if it is in no list (W3).
        !self.waiter.is_linked() && unsafe { self.waiter.is_idle() }
    }

    /// Takes out what is registered, to be dropped when all else is done. Was it in time?
    #[inline(always)]
    fn take_out(self: Pin<&mut Self>) -> (bool, Option<Waker>) {
        let this = self.project();
        let token: &CancellationToken = (*this.token).borrow();
        let waiter = this.waiter.into_ref().get_ref();
        // SAFETY: the waiter is this pinned struct's own, and was listed by `put`, with this token's node or not at all.
        let in_time = unsafe { token.node.delist(waiter) };
        *this.kept = None;
        // SAFETY: ours, and in no list by now (W3).
        (in_time, unsafe { waiter.take_waker() })
    }
}
