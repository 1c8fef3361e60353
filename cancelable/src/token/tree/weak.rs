//! The way back to a node from a timer, a source or a link, without keeping it.

use super::super::lock::lock_way_back;
use super::*;
use crate::primitive::MutexGuard;

/// Takes a handle on a node, unless the last one is already gone.
pub(super) fn try_hold(node: &Node) -> bool {
    node.canary.sing();
    let mut count = node.handles.load(Ordering::Relaxed);
    loop {
        if count == 0 {
            return false;
        }
        match node
            .handles
            .compare_exchange_weak(count, count + 1, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => return true,
            Err(now) => count = now,
        }
    }
}

/// A node's address, for the way back.
#[derive(Clone, Copy)]
pub(in crate::token) struct NodeRef(pub(super) NonNull<Node>);

// SAFETY: only an address; what may be done with it is `WeakCell`'s to say.
unsafe impl Send for NodeRef {}

/// Knows a node until shortly before that is freed (T7).
pub(in crate::token) struct WeakCell(pub(super) Mutex<Option<NodeRef>>);

impl WeakCell {
    pub(super) fn clear(&self) {
        let _whole = self.lock_way();
        *lock(&self.0) = None;
    }

    /// Held by who locks the cell, round that: or else a fork could leave the cell locked for ever.
    fn lock_way(&self) -> MutexGuard<'static, ()> {
        lock_way_back(ptr::from_ref(self).addr())
    }
}

/// A way back to a node that does not keep it.
#[derive(Clone)]
pub(in crate::token) struct WeakHandle(pub(super) Arc<WeakCell>);

impl WeakHandle {
    /// The node, if somebody still holds it and it is not cancelled.
    pub(in crate::token) fn upgrade(&self) -> Option<Handle> {
        let _whole = self.0.lock_way();
        let node = lock(&self.0.0);
        let NodeRef(node) = (*node)?;
        // SAFETY: the cell is emptied, under its own lock, before the node is freed (T7), and we hold that lock.
        // (Not `then_some`: a handle made in vain would be dropped, and take one off the count.)
        try_hold(unsafe { node.as_ref() }).then(|| Handle(node))
    }
}

impl Handle {
    /// A way back to this node that does not keep it.
    pub(in crate::token) fn downgrade(&self) -> WeakHandle {
        let cell = self.with_extras(|extras| {
            let cell = extras
                .weak
                .get_or_insert_with(|| Arc::new(WeakCell(Mutex::new(Some(NodeRef(self.0))))));
            Arc::clone(cell)
        });
        WeakHandle(cell.unwrap_or_else(|| Arc::new(WeakCell(Mutex::new(None)))))
    }
}
