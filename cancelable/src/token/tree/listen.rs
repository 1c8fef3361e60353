//! Who listens to a node: waiters in its list, and tokens that are linked to it.

use super::*;

impl Handle {
    /// Puts a waiter into this node's list; `false` if the node is cancelled.
    ///
    /// # Safety
    /// W1: the caller owns `waiter`, it is in no list, and it stays where it is until it is out of this one again, which
    /// the caller sees to before its memory goes. The node is kept alive as long.
    #[inline]
    pub(in crate::token) unsafe fn enlist(&self, waiter: &impl AsWaiter<LinkTarget>) -> bool {
        if self.is_never() {
            return true;
        }
        let lock = self.lock();
        if self.node().state.load_locked(&lock).is_cancelled() {
            return false;
        }
        // SAFETY: the lock guards the list (T3); the rest is the caller's promise.
        unsafe { (*self.node().waiters()).push(&lock, waiter) };
        true
    }

    /// As [`enlist`](Self::enlist), for a link; the cause if this node is cancelled, or about to be by a cancel that has looked
    /// for links already.
    ///
    /// # Safety
    /// As there.
    unsafe fn enlist_link(&self, waiter: &BoxedWaiter<LinkTarget>) -> Result<(), Option<Arc<Cause>>> {
        if self.is_never() {
            return Ok(());
        }
        let lock = self.lock();
        let state = self.node().state.load_locked(&lock);
        // SAFETY: the lock is held, which guards the list (T3) and the cause of what is marked or claimed (S2); the rest is
        // the caller's promise.
        unsafe {
            if state.has_cause() {
                return Err(self.node().cause.with(|cause| (*cause).clone()));
            }
            if let Some(cause) = self.claim_from_above(&lock) {
                return Err(Some(cause));
            }
            let state = self.node().state.load_locked(&lock);
            self.node().state.store(&lock, state.with_links());
            (*self.node().waiters()).push(&lock, waiter);
        }
        Ok(())
    }

    /// Gives a waiter that is in this node's list something else to do, and its place accordingly; hands out what it was
    /// there for, or `notify` if it has been notified. Both are user code: the caller drops them, when no lock is held.
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

    /// Takes a waiter out of this node's list; `false` if it has been notified or was never in. Either way it is the
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

    /// Runs `f` on a waiter that is in this node's list; `false` if it has been notified.
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

    /// Listens to `sources` besides the parent, and those that it listens to already.
    ///
    /// Called on a node that nobody else knows yet, so that there can be no cycle (T6).
    pub(in crate::token) fn listen_to(&self, sources: Vec<Self>, how: Listens) {
        if sources.is_empty() {
            return;
        }
        let all = matches!(how, Listens::ForAll(_));
        let target = Arc::new(LinkTarget::new(self, how));
        let mut listening = Vec::with_capacity(sources.len());
        let mut wants_pulse = false;
        for source in sources {
            let waiter = BoxedWaiter::new(Notify::Link(Arc::clone(&target)));
            // SAFETY: boxed, kept beside the handle on its node, and taken out in `into_last` before it is freed (W1).
            match unsafe { source.enlist_link(&waiter) } {
                Ok(()) => {
                    // As a child. A wish that is spread from now on finds the link.
                    wants_pulse |= source.state().wants_pulse();
                    listening.push(SourceLink { source, waiter });
                }
                Err(Some(cause)) => target.source_cancelled(&cause),
                Err(None) => unreachable!("what is marked or claimed has a cause"),
            }
        }
        self.with_extras(|extras| {
            extras.sources.append(&mut listening);
            extras.all_of = all;
        });
        if wants_pulse {
            self.spread_pulse();
        }
        // Cancelled meanwhile: nothing is left to be heard.
        for node in listening.into_iter().filter_map(SourceLink::into_last) {
            release(node);
        }
    }
}
