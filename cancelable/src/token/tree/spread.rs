//! Wishes that are spread to all whom a cancel would reach: for attention to a deadline that nobody watches, and for a pulse.

use std::collections::HashSet;

use super::mark::first_leaf;
use super::*;

impl Handle {
    /// Has the check points of this node, of everything below it, and of whatever is linked to any of these look closer.
    ///
    /// For deadlines that were watched, or set, when others relied on this node already. Rare, and as long as the tree is
    /// large: no thread could be started, or the process is the child of a fork.
    pub(in crate::token) fn spread_attention(&self) {
        self.spread(|state| state.with_attention(true));
    }

    /// Has the first check point say so that is passed at this node, at anything below it, or at whatever is linked to any of these.
    pub(in crate::token) fn spread_pulse(&self) {
        self.spread(|state| state.with_pulse(true));
    }

    fn spread(&self, wish: fn(Snapshot) -> Snapshot) {
        let mut reached = HashSet::new();
        // Kept until the end, so that no address is given to another meanwhile.
        let mut trees = vec![self.clone()];
        let mut done = 0;
        while let Some(tree) = trees.get(done) {
            done += 1;
            let mut targets = Vec::new();
            if reached.insert(tree.address()) {
                tree.wish_below(wish, &mut targets);
            }
            trees.extend(targets.iter().filter_map(|target| target.token()));
        }
    }

    fn wish_below(&self, wish: fn(Snapshot) -> Snapshot, targets: &mut Vec<Arc<LinkTarget>>) {
        if self.is_never() {
            return;
        }
        let lock = self.lock();
        let root = self.0.as_ptr().cast_const();
        if self.node().state.load_locked(&lock).is_cancelled() {
            return;
        }
        // SAFETY: the lock is held for the whole walk, and the nodes of a tree are alive (T3, T4); none of them is marked, for
        // the root is not. Nothing is taken out on the way: children come before their parents, and the next one is where
        // the links of the last one say.
        unsafe {
            let mut here = first_leaf(root);
            loop {
                let node = &*here;
                let state = node.state.load_locked(&lock);
                node.state.store(&lock, wish(state));
                let has_links = state.has_links();
                if has_links {
                    (*node.waiters()).for_each_link(&lock, |target| targets.push(Arc::clone(target)));
                }
                if ptr::eq(here, root) {
                    return;
                }
                let (above, next) = ((*node.links()).parent, (*node.links()).next);
                here = if ptr::eq(next, (*(*above).links()).first_child) {
                    above
                } else {
                    first_leaf(next)
                };
            }
        }
    }
}
