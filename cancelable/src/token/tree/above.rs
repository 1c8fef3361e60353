//! Looking upwards: at what is kept by a node, by its ancestors, and by whatever any of these is linked to.

use std::any::Any;
use std::collections::HashSet;
use std::ops::ControlFlow;

use super::*;

impl Handle {
    /// Shows `look` what is kept by all whose cancel reaches this node, the nearest first, under the lock of a tree, until it has seen
    /// enough. If this `is_pulse`, none of these wants one any more.
    pub(in crate::token) fn look_above(
        &self,
        is_pulse: bool,
        mut look: impl FnMut(&(dyn Any + Send)) -> ControlFlow<()>,
    ) {
        let mut linked = Vec::new();
        let looked = self.look_above_in_tree(is_pulse, &mut linked, &mut look);
        if looked.is_break() || linked.is_empty() {
            return;
        }
        let mut seen = HashSet::new();
        let mut done = 0;
        // Kept until the end, so that no address is given to another meanwhile.
        while let Some(source) = linked.get(done).cloned() {
            done += 1;
            if seen.insert(source.address()) && source.look_above_in_tree(is_pulse, &mut linked, &mut look).is_break() {
                return;
            }
        }
    }

    fn look_above_in_tree(
        &self,
        is_pulse: bool,
        linked: &mut Vec<Self>,
        look: &mut impl FnMut(&(dyn Any + Send)) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if self.is_never() {
            return ControlFlow::Continue(());
        }
        let lock = self.lock();
        let mut at = self.0.as_ptr().cast_const();
        while let Some(node) = NonNull::new(at.cast_mut()) {
            // SAFETY: a node's parents are alive while it is attached (T4), and the lock is held (T3).
            unsafe {
                let state = node.as_ref().state.load_locked(&lock);
                if is_pulse && state.wants_pulse() {
                    node.as_ref().state.store(&lock, state.with_pulse(false));
                }
                if let Some(extras) = (*node.as_ref().extras()).as_deref() {
                    extras.kept.iter().try_for_each(|kept| look(&**kept))?;
                    linked.append(&mut extras.sources().0);
                }
                at = (*node.as_ref().links()).parent;
            }
        }
        ControlFlow::Continue(())
    }
}
