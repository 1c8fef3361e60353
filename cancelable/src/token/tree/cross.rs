//! A cancel, which may have to cross links from one tree to others.
//!
//! What is linked to a token has to read as cancelled before the token does, whoever marks it (S3); but trees are marked one
//! at a time (T1), and first of all it has to be settled whose cancel counts. So there are two steps. A tree is *claimed*:
//! the cause is put where it belongs, which settles that, and the links are taken out. Once all that they lead to has been
//! marked, the tree is *marked*, which is when it reads as cancelled.
//!
//! Only one thread at a time cancels across links ([`lock_crossing`]): two that met would each have to wait for the other. Those
//! that cancel trees without links are not held up, and neither is anybody who asks, makes children, registers or links.

use crate::token::lock::lock_crossing;

use super::mark::{is_alone, mark_alone, mark_locked, mark_tree};
use std::task::Waker;

use super::*;

/// What came of marking a node.
pub(in crate::token) enum Marked {
    /// It was cancelled before.
    Before,
    /// Only this one: nothing hangs on it. Whom to wake first, and whether others are left in its list, none of them for the
    /// first round.
    Alone { first: Option<Waker>, has_more: bool },
    /// It, all below it, and all that is linked to any of them, for this cause.
    All(Box<Harvest>, Arc<Cause>),
}

impl Handle {
    /// Marks this node and all below it as cancelled, and whatever is linked to any of them (L3).
    ///
    /// Nobody has been notified when this returns: that is in `notify.rs`.
    #[inline(always)]
    pub(in crate::token) fn mark(&self, mut cause: Arc<Cause>) -> Marked {
        if self.is_never() {
            return Marked::Before;
        }
        let lock = self.lock();
        let state = self.node().state.load_locked(&lock);
        if state.is_cancelled() {
            return Marked::Before;
        }
        if state.is_crossed() {
            // Or claimed by somebody else, who has to be done before this returns.
            self.sign(&lock, &mut cause);
            drop(lock);
            let mut harvest = Box::default();
            return if mark_across(self, &cause, &mut harvest) {
                Marked::All(harvest, cause)
            } else {
                Marked::Before
            };
        }
        // SAFETY: it is this tree's lock, and the node is neither marked nor claimed.
        unsafe {
            if is_alone(&lock, self, state) {
                let (first, has_more) = mark_alone(&lock, self, state, cause);
                return Marked::Alone { first, has_more };
            }
            self.sign(&lock, &mut cause);
            let mut harvest = Box::default();
            mark_locked(&lock, self, &cause, false, &mut harvest);
            Marked::All(harvest, cause)
        }
    }
}

impl Handle {
    /// What the state is once nobody is half way through marking this node. What is below a node, or linked to it, is marked first
    /// (S3): whoever has read a cancel there may ask here before it has come.
    pub(in crate::token) fn settled_state(&self) -> Snapshot {
        let state = self.state();
        if state.is_cancelled() || self.is_never() {
            return state;
        }
        let lock = self.lock();
        let state = self.node().state.load_locked(&lock);
        drop(lock);
        if state.is_claimed() {
            drop(lock_crossing());
        }
        self.state()
    }

    /// Whose cancel it is, if this token has a name.
    fn sign(&self, _lock: &TreeLock, cause: &mut Arc<Cause>) {
        // SAFETY: the lock is that of this node's tree (T3).
        let extras = unsafe { (*self.node().extras()).as_deref() };
        if let Some(name) = extras.and_then(|extras| extras.name.as_ref()) {
            match Arc::get_mut(cause) {
                Some(cause) => cause.sign(name.clone()),
                None => unreachable!("nobody has been given it"),
            }
        }
    }
}

/// What is to be done next, the last first.
enum Step {
    Claim(Handle, Arc<Cause>),
    Mark(Handle, Arc<Cause>),
}

/// Marks `origin`, all below it, and all that is linked to any of them, each after what is linked to it; `false` if it was
/// cancelled before.
///
/// A loop over a stack of its own: links can be nested as deep as memory goes. Each node is claimed once and each link
/// followed once, so the work is bounded by what there is to be marked.
fn mark_across(origin: &Handle, cause: &Arc<Cause>, harvest: &mut Harvest) -> bool {
    let _alone = lock_crossing();
    let mut links = Vec::new();
    if !claim_tree(origin, cause, &mut links) {
        return false;
    }
    // Links lead from older tokens to younger ones, as branches do, so that there are no circles: when the step that marks a
    // tree is on top again, all that was put above it has been marked.
    let mut steps = vec![Step::Mark(origin.clone(), Arc::clone(cause))];
    // That of the tree whose links these are.
    let mut heard = Arc::clone(cause);
    loop {
        // Outside the tree's lock: no thread holds two (T1).
        steps.extend(
            links
                .drain(..)
                .filter_map(|target: Arc<LinkTarget>| Some(Step::Claim(target.fire()?, target.hears(&heard)))),
        );
        match steps.pop() {
            Some(Step::Claim(token, cause)) => {
                if claim_tree(&token, &cause, &mut links) {
                    heard = Arc::clone(&cause);
                    steps.push(Step::Mark(token, cause));
                } else {
                    harvest.handles.push(token);
                }
            }
            Some(Step::Mark(token, cause)) => {
                let is_origin = ptr::eq(token.0.as_ptr(), origin.0.as_ptr());
                mark_tree(&token, &cause, !is_origin, harvest);
                harvest.handles.push(token);
            }
            None => return true,
        }
    }
}

/// Claims the nodes of one tree, from `origin` down, that links are or were on or below, and takes the links out. `false` if
/// that has been done, or the tree is cancelled.
///
/// Branches without links need not be claimed: whoever links to one of them finds the claim above it
/// ([`Handle::claim_from_above`]).
fn claim_tree(origin: &Handle, cause: &Arc<Cause>, links: &mut Vec<Arc<LinkTarget>>) -> bool {
    let lock = origin.lock();
    let root = origin.0.as_ptr().cast_const();
    // SAFETY: the lock is held for the whole walk (T3). `root` is `origin`'s pointer, the others come from links of attached nodes
    // (R1), and are alive (T4).
    unsafe {
        let state = (*root).state.load_locked(&lock);
        if state.has_cause() {
            return false;
        }
        let mut at = root;
        'down: loop {
            let state = (*at).state.load_locked(&lock);
            if (ptr::eq(at, root) || state.has_links_below()) && !state.is_claimed() {
                claim(&lock, at, cause);
                if state.has_links() {
                    (*(*at).waiters()).take_links(&lock, |target| links.push(target));
                }
                let child = (*(*at).links()).first_child;
                if !child.is_null() {
                    at = child;
                    continue;
                }
            }
            // On to the next sibling, or to that of the nearest ancestor that has one.
            while !ptr::eq(at, root) {
                let (parent, next) = ((*(*at).links()).parent, (*(*at).links()).next);
                if !ptr::eq(next, (*(*parent).links()).first_child) {
                    at = next;
                    continue 'down;
                }
                at = parent;
            }
            return true;
        }
    }
}

/// Settles what a node will be cancelled by.
///
/// # Safety
/// The lock of its tree is held; it is neither claimed nor marked.
unsafe fn claim(lock: &TreeLock, node: *const Node, cause: &Arc<Cause>) {
    // SAFETY: the lock is held, and nobody has written the cause (S2).
    unsafe {
        (*node).cause.with_mut(|slot| *slot = Some(Arc::clone(cause)));
        let state = (*node).state.load_locked(lock);
        (*node).state.store(lock, state.claimed());
    }
}

impl Handle {
    /// Before a link to this node is listed: notes on the way up that there is one below. If a cancel from above has begun,
    /// and has passed by here since there were no links, this node is claimed for it as well; its cause, in that case.
    ///
    /// After this, whoever cancels this node or one above it crosses links. The way up ends where an earlier one ended, so in
    /// all it costs a step for each node.
    ///
    /// # Safety
    /// The lock of the tree is held; the node is neither claimed nor marked.
    pub(super) unsafe fn claim_from_above(&self, lock: &TreeLock) -> Option<Arc<Cause>> {
        let this = self.0.as_ptr().cast_const();
        // SAFETY: the lock is held (T3). `this` is this handle's pointer, the others are parents, from links (R1), and alive (T4).
        unsafe {
            let mut at = this;
            let claimed = loop {
                let state = (*at).state.load_locked(lock);
                if state.is_claimed() {
                    break at;
                }
                if state.has_links_below() {
                    return None;
                }
                (*at).state.store(lock, state.with_links_below());
                at = (*(*at).links()).parent;
                if at.is_null() {
                    return None;
                }
            };
            let cause = (*claimed).cause.with(|cause| (*cause).clone())?;
            at = this;
            while !ptr::eq(at, claimed) {
                claim(lock, at, &cause);
                at = (*(*at).links()).parent;
            }
            Some(cause)
        }
    }
}

#[cfg(all(test, not(cancelable_loom)))]
#[path = "../tests/cross.rs"]
mod tests;
