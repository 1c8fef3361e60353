//! Who listens to a node: waiters in its list, and tokens that are linked to it.

use super::*;

impl Handle {
    /// Puts a waiter into this node's list; `false` if the node is cancelled.
    ///
    /// # Safety
    /// W1: the caller owns `waiter`, it is in no list, and it stays where it is until it is out of this one again, which
    /// the caller sees to before its memory goes. The node is kept alive as long.
    #[inline]
    pub(in crate::token) unsafe fn enlist(&self, waiter: &Waiter<LinkTarget>) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.enlist_as(waiter, false) }
    }

    /// # Safety
    /// As [`enlist`](Self::enlist).
    #[inline]
    pub(super) unsafe fn enlist_as(&self, waiter: &Waiter<LinkTarget>, is_link: bool) -> bool {
        if self.is_never() {
            return true;
        }
        let lock = self.lock();
        let state = self.node().state.load_locked(&lock);
        if state.is_cancelled() {
            return false;
        }
        if is_link {
            self.node().state.store(&lock, state.with_links());
        }
        // SAFETY: the lock guards the list (T3); the rest is the caller's promise.
        unsafe { (*self.node().waiters()).push(&lock, waiter) };
        true
    }

    /// Gives a waiter that is in this node's list something else to do, and its place accordingly; hands out what it was
    /// there for, or `notify` if it has been told. Both are user code: the caller drops them, when no lock is held.
    ///
    /// # Safety
    /// The caller owns `waiter`, and if it is in a list, it is in this node's.
    pub(in crate::token) unsafe fn relist(
        &self,
        waiter: &Waiter<LinkTarget>,
        notify: Notify<LinkTarget>,
    ) -> Result<Notify<LinkTarget>, Notify<LinkTarget>> {
        let lock = self.lock();
        // SAFETY: the lock guards the list (T3); the rest is the caller's promise.
        unsafe {
            let list = &mut *self.node().waiters();
            if !list.remove(&lock, waiter) {
                return Err(notify);
            }
            // Even if the node is cancelled: the teller has not come to this waiter yet, and will.
            let before = waiter.replace(notify);
            list.push(&lock, waiter);
            Ok(before)
        }
    }

    /// Takes a waiter out of this node's list; `false` if it has been told or was never in. Either way it is the
    /// caller's alone again.
    ///
    /// # Safety
    /// The caller owns `waiter`, and if it is in a list, it is in this node's.
    #[inline]
    pub(in crate::token) unsafe fn delist(&self, waiter: &Waiter<LinkTarget>) -> bool {
        if !waiter.is_linked() {
            return false;
        }
        let lock = self.lock();
        // SAFETY: the lock guards the list (T3); the rest is the caller's promise.
        unsafe { (*self.node().waiters()).remove(&lock, waiter) }
    }

    /// Runs `f` on a waiter that is in this node's list; `false` if it has been told.
    ///
    /// # Safety
    /// If `waiter` is in a list, it is in this node's.
    pub(in crate::token) unsafe fn with_listed(
        &self,
        waiter: &Waiter<LinkTarget>,
        f: impl FnOnce(&TreeLock, &Waiter<LinkTarget>),
    ) -> bool {
        let lock = self.lock();
        let linked = waiter.is_linked();
        if linked {
            f(&lock, waiter);
        }
        linked
    }

    /// Listens to `sources` besides the parent: cancelled with the first of them, or with the last if `all`.
    ///
    /// Called on a node that nobody else knows yet, so that there can be no cycle (T6).
    pub(in crate::token) fn listen_to(&self, sources: Vec<Self>, all: bool) {
        if sources.is_empty() {
            return;
        }
        let target = Arc::new(LinkTarget {
            token: self.downgrade(),
            remaining: AtomicUsize::new(if all { sources.len() } else { 1 }),
        });
        let mut listening = Vec::with_capacity(sources.len());
        for source in sources {
            let waiter = Box::new(Waiter::new(Notify::Link(Arc::clone(&target))));
            // SAFETY: boxed, kept beside the handle on its node, and taken out in `into_last` before it is freed (W1).
            if unsafe { source.enlist_as(&waiter, true) } {
                listening.push(SourceLink { source, waiter });
            } else if let Some(cause) = source.cause() {
                target.source_cancelled(&cause);
            }
        }
        self.with_extras(|extras| {
            extras.sources = std::mem::take(&mut listening);
            extras.all_of = all;
        });
        // Cancelled meanwhile: nothing is left to be heard.
        for node in listening.into_iter().filter_map(SourceLink::into_last) {
            release(node);
        }
    }
}
