//! Who is to be notified: intrusive lists of waiters, one list in every node of the tree.
//!
//! A waiter is a task, a blocked thread (its waker unparks it), a callback, or another token that is linked to this
//! one. Its memory belongs to whoever waits (a pinned future, a stack frame, a box); the list only points to it. All
//! unsafe code about lists is in this file; the rules are numbered W1 to W4 in `PROTOCOL.md` and cited here.

use std::marker::PhantomPinned;
use std::ops::Deref;
use std::ptr::{self, NonNull};
use std::task::Waker;

use super::lock::TreeLock;
use crate::primitive::{Arc, AtomicBool, Ordering, UnsafeCell};
use crate::reason::CancelReason;

/// A callback given to `on_cancel`.
pub(super) type Callback = Box<dyn FnOnce(&CancelReason) + Send>;

/// What to do when the token is cancelled. Generic over the link target so that this file need not know tokens.
pub(super) enum Notify<L> {
    /// Nothing registered.
    Idle,
    /// Wake a task or a thread; `foreign` ones in the first round, the others in the second.
    Wake { waker: Waker, foreign: bool },
    /// Run a callback on the cancelling thread.
    Call(Callback),
    /// Cancel a linked token with the same cause.
    Link(Arc<L>),
}

impl<L> Notify<L> {
    fn is_foreign(&self) -> bool {
        matches!(self, Self::Wake { foreign: true, .. })
    }
}

/// One entry of a list. Must not move while it is linked (W1).
pub(super) struct Waiter<L> {
    /// Is it in a list? Written under the tree's lock; read without it by the owner alone (W3).
    linked: AtomicBool,
    /// Guarded by the tree's lock while linked, the owner's alone otherwise (W2).
    entry: UnsafeCell<Entry<L>>,
    _pinned: PhantomPinned,
}

struct Entry<L> {
    prev: *const Waiter<L>,
    next: *const Waiter<L>,
    notify: Notify<L>,
    /// The list owns the allocation: nobody else will ever unlink or free it.
    detached: bool,
}

// SAFETY: the links and the notify are reached only as W2 says, that is by one thread at a time; a `Notify` itself may
// travel between threads (wakers and callbacks are `Send`, links are if their target is shared).
unsafe impl<L: Send + Sync> Send for Waiter<L> {}
// SAFETY: as above; `linked` is atomic.
unsafe impl<L: Send + Sync> Sync for Waiter<L> {}

impl<L> Waiter<L> {
    pub(super) fn new(notify: Notify<L>) -> Self {
        Self {
            linked: AtomicBool::new(false),
            entry: UnsafeCell::new(Entry {
                prev: ptr::null(),
                next: ptr::null(),
                notify,
                detached: false,
            }),
            _pinned: PhantomPinned,
        }
    }

    /// Is it in a list? For the owner: `false` means that nobody else will touch it any more (W3).
    #[inline]
    pub(super) fn is_linked(&self) -> bool {
        self.linked.load(Ordering::Acquire)
    }

    fn entry(&self) -> *mut Entry<L> {
        self.entry.with_mut(|entry| entry)
    }

    /// Sets what to do, and hands out what was there, which is user code.
    ///
    /// # Safety
    /// W2: the caller owns the waiter and it is in no list, or it holds the lock of the tree whose list it is in.
    #[inline]
    pub(super) unsafe fn replace(&self, notify: Notify<L>) -> Notify<L> {
        // SAFETY: the entry is a cell of `self`'s, and by the caller's promise nobody else reaches it now (W2).
        let slot = unsafe { &mut (*self.entry()).notify };
        if let Notify::Idle = slot {
            // Most were idle before: what is not there need not be moved.
            *slot = notify;
            return Notify::Idle;
        }
        std::mem::replace(slot, notify)
    }

    /// Sets whom to wake, and hands out whom it was before. As [`replace`](Self::replace), for a waiter that has only ever
    /// been there for wakers, and without moving more than these.
    ///
    /// # Safety
    /// W2: as for `replace`.
    #[inline(always)]
    pub(super) unsafe fn replace_waker(&self, waker: Waker, foreign: bool) -> Option<Waker> {
        // SAFETY: the caller's promise.
        let before = unsafe { self.take_waker() };
        // SAFETY: as in `replace`. What is overwritten is `Idle`, which needs no drop.
        unsafe { ptr::write(&raw mut (*self.entry()).notify, Notify::Wake { waker, foreign }) };
        before
    }

    /// Takes out whom to wake, if anybody; from then on there is nothing to do.
    ///
    /// # Safety
    /// W2: as for [`replace`](Self::replace).
    #[inline(always)]
    pub(super) unsafe fn take_waker(&self) -> Option<Waker> {
        // SAFETY: as in `replace`.
        let slot = unsafe { &raw mut (*self.entry()).notify };
        // SAFETY: as above. The waker is moved out, and `Idle` put where it was, without a look at it in between.
        unsafe {
            match &*slot {
                Notify::Wake { waker, .. } => {
                    let waker = ptr::read(waker);
                    ptr::write(slot, Notify::Idle);
                    Some(waker)
                }
                Notify::Idle | Notify::Call(_) | Notify::Link(_) => None,
            }
        }
    }

    /// Is there nothing to do?
    ///
    /// # Safety
    /// W2: as for [`replace`](Self::replace).
    #[inline]
    pub(super) unsafe fn is_idle(&self) -> bool {
        // SAFETY: as in `replace`.
        matches!(unsafe { &(*self.entry()).notify }, Notify::Idle)
    }

    /// Makes the list the owner of a boxed waiter.
    ///
    /// # Safety
    /// `lock` is the lock of the tree whose list this waiter is in; the waiter is a [`BoxedWaiter`]'s, and the caller
    /// forgets that (W4).
    pub(super) unsafe fn detach(&self, _lock: &TreeLock) {
        // SAFETY: as in `replace`.
        unsafe { (*self.entry()).detached = true }
    }
}

/// A waiter in memory of its own. Moving this does not touch the waiter, as moving a `Box` would.
pub(super) struct BoxedWaiter<L>(
    /// As the allocation gave it (R2).
    NonNull<Waiter<L>>,
);

// SAFETY: it owns a `Waiter`.
unsafe impl<L: Send + Sync> Send for BoxedWaiter<L> {}
// SAFETY: as above; it gives out shared references only.
unsafe impl<L: Send + Sync> Sync for BoxedWaiter<L> {}

impl<L> BoxedWaiter<L> {
    pub(super) fn new(notify: Notify<L>) -> Self {
        Self(NonNull::from(Box::leak(Box::new(Waiter::new(notify)))))
    }
}

impl<L> Deref for BoxedWaiter<L> {
    type Target = Waiter<L>;

    fn deref(&self) -> &Waiter<L> {
        // SAFETY: allocated in `new`, freed in `drop`.
        unsafe { self.0.as_ref() }
    }
}

impl<L> AsWaiter<L> for BoxedWaiter<L> {
    fn pointer(&self) -> *const Waiter<L> {
        self.0.as_ptr()
    }
}

impl<L> Drop for BoxedWaiter<L> {
    /// Its owner has taken it out of its list (W1).
    fn drop(&mut self) {
        // SAFETY: allocated by `Box` in `new`; the pointer is the one that came from there (R2), and nobody else has it.
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

/// The pointer by which a list is to know a waiter.
pub(super) trait AsWaiter<L> {
    fn pointer(&self) -> *const Waiter<L>;
}

/// Of a waiter that lies in its owner's memory: good for reaching it, and not for freeing it (R2).
impl<L> AsWaiter<L> for Waiter<L> {
    fn pointer(&self) -> *const Waiter<L> {
        self
    }
}

/// Only in models: freeing a waiter counts as writing to it, so that a list that still touches it is caught.
#[cfg(cancelable_loom)]
impl<L> Drop for Waiter<L> {
    fn drop(&mut self) {
        self.entry();
    }
}

/// What a list hands out when a waiter is taken from it.
pub(super) enum Taken<L> {
    /// Its owner still has the memory and may by now have freed it.
    Owned(Notify<L>),
    /// The list owned it; freeing it is now the taker's business.
    Detached(BoxedWaiter<L>, Notify<L>),
}

impl<L> Taken<L> {
    /// What to do; the memory of a detached waiter, empty by now, is freed here.
    pub(super) fn into_notify(self) -> Notify<L> {
        match self {
            Taken::Owned(notify) => notify,
            Taken::Detached(waiter, notify) => {
                drop(waiter);
                notify
            }
        }
    }
}

/// A circular doubly linked list of waiters, foreign wakers in front, the others behind in order of registration.
pub(super) struct WaiterList<L> {
    head: *const Waiter<L>,
}

impl<L> WaiterList<L> {
    pub(super) const fn new() -> Self {
        Self { head: ptr::null() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_null()
    }

    /// Links `waiter` at the end, or in front if it is a foreign waker.
    ///
    /// # Safety
    /// `lock` guards this list; the caller owns `waiter`, it is in no list, and it stays where it is until it is out
    /// again (W1).
    pub(super) unsafe fn push(&mut self, _lock: &TreeLock, waiter: &impl AsWaiter<L>) {
        let this = waiter.pointer();
        // SAFETY: the waiter is alive; the entry is the owner's (in no list); the neighbours are linked, hence alive (W1) and guarded by
        // the lock that the caller holds (W2).
        unsafe {
            let entry = (*this).entry();
            if self.head.is_null() {
                (*entry).prev = this;
                (*entry).next = this;
                self.head = this;
            } else {
                let last = (*(*self.head).entry()).prev;
                (*entry).prev = last;
                (*entry).next = self.head;
                (*(*last).entry()).next = this;
                (*(*self.head).entry()).prev = this;
                if (*entry).notify.is_foreign() {
                    self.head = this;
                }
            }
            (*this).linked.store(true, Ordering::Relaxed);
        }
    }

    /// Takes `waiter` out, what it is there for and all; `false` if it is in no list (it has been notified, or never
    /// registered). It is its owner's alone again.
    ///
    /// # Safety
    /// `lock` guards this list, and if `waiter` is linked at all it is linked here, by the caller, who owns it.
    pub(super) unsafe fn remove(&mut self, _lock: &TreeLock, waiter: &Waiter<L>) -> bool {
        // Relaxed: all writes to the flag happen under the lock that we hold.
        let linked = waiter.linked.load(Ordering::Relaxed);
        if linked {
            // SAFETY: linked here, under the lock.
            unsafe { self.cut(waiter) };
            waiter.linked.store(false, Ordering::Relaxed);
        }
        linked
    }

    /// Joins the neighbours of `waiter`.
    ///
    /// # Safety
    /// The lock that guards this list is held, and `waiter` is linked here.
    unsafe fn cut(&mut self, waiter: &Waiter<L>) {
        let entry = waiter.entry();
        // SAFETY: linked waiters are alive (W1) and guarded by the lock that the caller holds (W2).
        unsafe {
            let (prev, next) = ((*entry).prev, (*entry).next);
            if ptr::eq(next, waiter) {
                self.head = ptr::null();
            } else {
                (*(*prev).entry()).next = next;
                (*(*next).entry()).prev = prev;
                if ptr::eq(self.head, waiter) {
                    self.head = next;
                }
            }
        }
    }

    /// Takes `waiter` out to notify it: what it is there for goes along, and its memory is its owner's again.
    ///
    /// # Safety
    /// `_lock` guards this list, and `waiter` is linked here.
    unsafe fn take(&mut self, _lock: &TreeLock, waiter: *const Waiter<L>) -> Taken<L> {
        // SAFETY: linked waiters are alive (W1) and guarded by the lock that the caller holds (W2).
        let (this, notify, detached) = unsafe {
            let this = &*waiter;
            self.cut(this);
            let entry = this.entry();
            let notify = std::mem::replace(&mut (*entry).notify, Notify::Idle);
            (this, notify, (*entry).detached)
        };
        // The last touch of a waiter that somebody else owns (W3). Release: its owner, on reading `false`, may free it.
        this.linked.store(false, Ordering::Release);
        if detached {
            // It belongs to the list (W4), which has just let it go, and which knows it by its box's own pointer (R2).
            // SAFETY: `push` put a `BoxedWaiter`'s pointer here, never null, for only such a waiter is ever detached.
            Taken::Detached(
                BoxedWaiter(unsafe { NonNull::new_unchecked(waiter.cast_mut()) }),
                notify,
            )
        } else {
            Taken::Owned(notify)
        }
    }

    /// Takes the first waiter out, of the first round only if `foreign` is set.
    ///
    /// # Safety
    /// `lock` guards this list.
    pub(super) unsafe fn pop(&mut self, lock: &TreeLock, foreign: bool) -> Option<Taken<L>> {
        if self.head.is_null() {
            return None;
        }
        // SAFETY: a linked waiter is alive (W1) and ours under the lock (W2).
        let is_foreign = unsafe { (*(*self.head).entry()).notify.is_foreign() };
        if foreign && !is_foreign {
            return None;
        }
        // SAFETY: the head is linked here, and the caller holds the lock.
        Some(unsafe { self.take(lock, self.head) })
    }

    /// Takes the first waiter out, if it is a waker.
    ///
    /// # Safety
    /// `lock` guards this list.
    #[inline]
    pub(super) unsafe fn pop_waker(&mut self, _lock: &TreeLock) -> Option<Waker> {
        let first = self.head;
        if first.is_null() {
            return None;
        }
        // SAFETY: a linked waiter is alive (W1) and ours under the lock (W2).
        unsafe {
            let notify = &raw mut (*(*first).entry()).notify;
            if !matches!(*notify, Notify::Wake { .. }) {
                return None;
            }
            self.cut(&*first);
            let Notify::Wake { waker, .. } = std::mem::replace(&mut *notify, Notify::Idle) else {
                return None;
            };
            // As in `take`: the last touch (W3). What is detached is no waker, so there is nothing to free.
            (*first).linked.store(false, Ordering::Release);
            Some(waker)
        }
    }

    /// Takes every link out and hands its target to `f`.
    ///
    /// # Safety
    /// `lock` guards this list.
    pub(super) unsafe fn take_links(&mut self, lock: &TreeLock, mut f: impl FnMut(Arc<L>)) {
        if self.head.is_null() {
            return;
        }
        // SAFETY: linked waiters are alive (W1) and ours under the lock (W2).
        let last = unsafe { (*(*self.head).entry()).prev };
        let mut at = self.head;
        loop {
            // SAFETY: as above; `next` is read before the waiter may leave the list.
            let (next, is_link) = unsafe {
                let entry = (*at).entry();
                ((*entry).next, matches!((*entry).notify, Notify::Link(_)))
            };
            if is_link {
                // SAFETY: linked here, under the lock.
                if let Taken::Owned(Notify::Link(target)) = unsafe { self.take(lock, at) } {
                    f(target);
                }
            }
            if ptr::eq(at, last) {
                return;
            }
            at = next;
        }
    }

    /// Shows the target of every link to `f`.
    ///
    /// # Safety
    /// `_lock` guards this list.
    pub(super) unsafe fn for_each_link(&self, _lock: &TreeLock, mut f: impl FnMut(&Arc<L>)) {
        let mut at = self.head;
        while !at.is_null() {
            // SAFETY: linked waiters are alive (W1) and ours under the lock (W2).
            let entry = unsafe { &*(*at).entry() };
            if let Notify::Link(target) = &entry.notify {
                f(target);
            }
            at = if ptr::eq(entry.next, self.head) {
                ptr::null()
            } else {
                entry.next
            };
        }
    }

    /// Is anybody here to be woken in the first round?
    ///
    /// # Safety
    /// `_lock` guards this list.
    pub(super) unsafe fn has_foreign(&self, _lock: &TreeLock) -> bool {
        // SAFETY: a linked waiter is alive (W1) and ours under the lock (W2); foreign ones are in front.
        !self.head.is_null() && unsafe { (*(*self.head).entry()).notify.is_foreign() }
    }

    /// Moves all of `other`'s waiters, which must be detached callbacks, to the end of this list.
    ///
    /// # Safety
    /// `lock` guards both lists.
    pub(super) unsafe fn append(&mut self, _lock: &TreeLock, other: &mut Self) {
        let theirs = std::mem::replace(&mut other.head, ptr::null());
        if theirs.is_null() {
            return;
        }
        if self.head.is_null() {
            self.head = theirs;
            return;
        }
        // SAFETY: linked waiters are alive (W1) and guarded by the lock (W2); two circles become one.
        unsafe {
            let our_last = (*(*self.head).entry()).prev;
            let their_last = (*(*theirs).entry()).prev;
            (*(*our_last).entry()).next = theirs;
            (*(*theirs).entry()).prev = our_last;
            (*(*their_last).entry()).next = self.head;
            (*(*self.head).entry()).prev = their_last;
        }
    }
}
