//! Giving handles up, and freeing what nobody holds any more. A loop, never a recursion.

use super::siblings::{NodeChain, detach, splice};
use super::*;
use crate::trampoline;

/// Drops a node whose only handle this is and that nothing depends on, as most are, without the general case's
/// bookkeeping; `false`: nothing has been done.
pub(super) fn drop_alone(node: NonNull<Node>) -> bool {
    // SAFETY: the caller's handle keeps the node (T2).
    let this = unsafe { node.as_ref() };
    this.canary.sing();
    // Acquire: whatever other handles did before they were given up happens before what follows.
    if this.handles.load(Ordering::Acquire) != 1 {
        return false;
    }
    // In this order: a handle that has been given up may have made the node known before.
    let state = this.state.load();
    if state.is_cancelled() || !state.is_known() {
        // And once more, in the other order: a cancel may have come between, with a handle that it made before it marked
        // the node. From then on none can be made, nor of a node that nobody knows.
        if state.is_cancelled() && this.handles.load(Ordering::Acquire) != 1 {
            return false;
        }
        // Out of the tree, for good or so far, and without a weak handle, so the links are ours (T3).
        // SAFETY: `this` is in no tree, and the caller has its only handle.
        if !unsafe { is_bare(this, state) } {
            return false;
        }
    } else {
        let lock = lock_stripe(state.stripe());
        let state = this.state.load_locked(&lock);
        if state.is_cancelled() || this.handles.load(Ordering::Relaxed) != 1 {
            return false;
        }
        // SAFETY: the lock is held (T3); `parent` and `only` come from this node's links (R1), and are alive (T4).
        unsafe {
            let links = this.links();
            let parent = (*links).parent;
            if state.holds_parent()
                || !is_bare(this, state)
                || (!parent.is_null() && (*parent).state.load_locked(&lock).is_zombie())
            {
                return false;
            }
            let only = (*links).first_child;
            if only.is_null() {
                detach(node.as_ptr());
            } else if ptr::eq((*(*only).links()).next, only) {
                if parent.is_null() && (*only).state.load_locked(&lock).is_zombie() {
                    // Its detached callbacks go with its last ancestor (T8).
                    return false;
                }
                splice(node.as_ptr(), only);
            } else {
                return false;
            }
        }
        // From here on nobody finds the node: it is in no tree, and it has no weak handle.
    }
    // SAFETY: the node is ours alone, and `node` a handle's pointer (R1).
    let cause = this.cause.with_mut(|slot| unsafe { (*slot).take() });
    // SAFETY: likewise; nothing refers to the node any more, `this` is not used after this.
    unsafe { Node::free(node) };
    // Perhaps the last to hold it, and with it an error of the user's.
    drop(cause);
    true
}

/// Has the node neither waiters nor extras, so that nothing but memory goes with it?
///
/// # Safety
/// The lock of the tree is held, or the node is in no tree and the caller has its only handle.
pub(super) unsafe fn is_bare(node: &Node, state: Snapshot) -> bool {
    // SAFETY: by the caller's promise nobody else reaches the list and the extras of `node` meanwhile (T3, W2).
    unsafe { (*node.waiters()).is_empty() && (*node.extras()).is_none() && !state.is_zombie() }
}

/// Takes one handle off the count; `Some` if it was the last.
pub(super) fn give_up(node: NonNull<Node>) -> Option<NonNull<Node>> {
    // SAFETY: the handle that is being given up keeps the node alive up to this decrement (T2).
    let this = unsafe { node.as_ref() };
    this.canary.sing();
    let before = this.handles.fetch_sub(1, Ordering::Release);
    if before != 1 {
        return None;
    }
    // Whatever other handles did before they were given up happens before what follows. (A load rather than a fence,
    // which ThreadSanitizer does not understand.)
    // Only the taker of the last handle retires the node (T5), so it is still there.
    this.handles.load(Ordering::Acquire);
    Some(node)
}

/// After a node lost a child: a zombie with a single one left is spliced out (T5). It always has one: it became a zombie
/// with two or more, and this comes by whenever one goes.
///
/// # Safety
/// The lock of the tree is held; `node` is null or alive, and as it was allocated (R1).
pub(super) unsafe fn tidy(lock: &TreeLock, node: *const Node, garbage: &mut Garbage) {
    if node.is_null() {
        return;
    }
    // SAFETY: the lock is held (T3); `node` was its child's parent up to now, so it is alive (T4).
    unsafe {
        if !(*node).state.load_locked(lock).is_zombie() {
            return;
        }
        let first = (*(*node).links()).first_child;
        if ptr::eq((*(*first).links()).next, first) {
            splice_out(lock, node, garbage);
        }
    }
}

/// What is to be freed once the lock is released.
#[derive(Default)]
pub(in crate::token) struct Garbage {
    /// Nodes that are in no tree and that nobody holds.
    pub(super) nodes: NodeChain,
    /// Parents whose handles, held by freed children, are to be given up (T6).
    pub(super) parents: Vec<NonNull<Node>>,
    /// Of a node that became a zombie.
    pub(super) extras: Option<Box<Extras>>,
    /// Callbacks that nobody can cause any more.
    pub(super) unheard: Vec<Taken<LinkTarget>>,
}

impl Garbage {
    /// Takes the detached callbacks of a zombie that is a root: only an ancestor could have caused them (T8).
    ///
    /// # Safety
    /// The lock of the tree is held.
    pub(super) unsafe fn silence(&mut self, lock: &TreeLock, node: *const Node) {
        // SAFETY: the lock is held (T3), which guards the list too (W2).
        unsafe {
            if (*(*node).links()).parent.is_null() && (*node).state.load_locked(lock).is_zombie() {
                self.unheard
                    .extend(std::iter::from_fn(|| (*(*node).waiters()).pop(lock, false)));
            }
        }
    }
}

/// The last handle of `node` is gone. Frees the node, or leaves it as a zombie if two or more children hang on it.
///
/// A loop, not a recursion: what is freed may itself hold handles on others.
///
/// # Panics
/// If a destructor of the user's does (of a callback, of an error), after everything has been freed.
#[cold]
pub(super) fn release(node: NonNull<Node>) {
    let mut panics = FirstPanic::default();
    release_all(Some(node), Vec::new(), &mut panics);
    panics.resume();
}

pub(super) fn release_all(mut next: Option<NonNull<Node>>, mut pending: Vec<NonNull<Node>>, panics: &mut FirstPanic) {
    while let Some(node) = next {
        let mut garbage = Garbage::default();
        // SAFETY: we took the last handle off, which makes the node ours to retire (T5).
        unsafe { retire(node, &mut garbage) };
        pending.extend(garbage.parents.into_iter().filter_map(give_up));
        dispose(garbage.extras, &mut pending, panics);
        drop_each(garbage.unheard, panics);
        // SAFETY: what is in the chain is in no tree, and nobody holds it.
        unsafe { free_all(&mut garbage.nodes, &mut pending, panics) };
        next = pending.pop();
    }
}

/// Frees the nodes of a chain; those whose last handle they held go to `pending`.
///
/// # Safety
/// They are in no tree, and nobody but the chain points to them.
pub(super) unsafe fn free_all(chain: &mut NodeChain, pending: &mut Vec<NonNull<Node>>, panics: &mut FirstPanic) {
    // SAFETY: the nodes are alive: only this frees them.
    while let Some(node) = unsafe { chain.pop() } {
        // SAFETY: `node` was put into the chain alive, and nobody else has it.
        empty(unsafe { node.as_ref() }, pending, panics);
        // SAFETY: as above; since `empty` no weak handle finds the node (T7), and the chain has pointers as they were
        // allocated (R1).
        unsafe { Node::free(node) };
    }
}

/// # Safety
/// The caller took the last handle off `node`.
pub(super) unsafe fn retire(node: NonNull<Node>, garbage: &mut Garbage) {
    // SAFETY: nobody but the taker of the last handle frees a node that is no zombie (T5).
    let this = unsafe { node.as_ref() };
    if this.state.load().is_cancelled() {
        // Marked: in no tree, and the walk does not touch it again after the store we have just read (T3).
        // SAFETY: out of every chain but this one.
        unsafe { garbage.nodes.push(node.as_ptr()) };
        return;
    }
    let lock = lock_stripe(this.state.load().stripe());
    let state = this.state.load_locked(&lock);
    // SAFETY: the lock is held (T3); `first` and `parent` come from this node's links (R1), and are alive (T4). `node` is a handle's
    // pointer (R1).
    unsafe {
        if state.is_cancelled() {
            garbage.nodes.push(node.as_ptr());
            return;
        }
        let first = (*this.links()).first_child;
        if first.is_null() {
            let parent = detach(node.as_ptr());
            if !parent.is_null() {
                // Detached callbacks stay with the tree: the nearest ancestor will run them (T8).
                (*(*parent).waiters()).append(&lock, &mut *this.waiters());
                if state.holds_parent() {
                    garbage.parents.push(NonNull::new_unchecked(parent.cast_mut()));
                }
            }
            garbage.nodes.push(node.as_ptr());
            tidy(&lock, parent, garbage);
        } else if ptr::eq((*(*first).links()).next, first) {
            splice_out(&lock, node.as_ptr(), garbage);
        } else {
            this.state.store(&lock, state.as_zombie());
            // A dropped token takes its timer along. T7: nobody may find the way back once the lock is released, for
            // then the last child may free the node.
            let mut extras = (*this.extras()).take();
            if let Some(extras) = &mut extras {
                extras.forget_node();
            }
            garbage.extras = extras;
            garbage.silence(&lock, node.as_ptr());
        }
    }
}

/// Drops what a node contains that is about to be freed; handles among it go to `pending` instead of recursing.
pub(super) fn empty(node: &Node, pending: &mut Vec<NonNull<Node>>, panics: &mut FirstPanic) {
    // SAFETY: nobody else has the node; only a weak handle may still look at its count (T7).
    dispose(unsafe { (*node.extras()).take() }, pending, panics);
    // SAFETY: likewise; the list is reached by this reference alone until it is empty.
    let waiters = unsafe { &mut *node.waiters() };
    // Callbacks that were detached on a root: nobody is left who could cancel it.
    if !waiters.is_empty() {
        let lock = lock_stripe(node.state.load().stripe());
        // SAFETY: the list is guarded by the lock (W2).
        let unheard: Vec<_> = std::iter::from_fn(|| unsafe { waiters.pop(&lock, false) }).collect();
        drop(lock);
        drop_each(unheard, panics);
    }
    // SAFETY: likewise. Perhaps the last to hold it, and with it an error of the user's.
    let cause = node.cause.with_mut(|slot| unsafe { (*slot).take() });
    panics.run(|| drop(cause));
}

/// Drops callbacks unrun, which is the user's code.
pub(super) fn drop_each(unheard: Vec<Taken<LinkTarget>>, panics: &mut FirstPanic) {
    for callback in unheard {
        // It may keep the next token, whose callback keeps the next: no chain of these is too long.
        panics.run(|| trampoline::drop(callback));
    }
}

/// Drops extras, outside any lock; nodes whose last handle they held go to `pending`.
pub(super) fn dispose(extras: Option<Box<Extras>>, pending: &mut Vec<NonNull<Node>>, panics: &mut FirstPanic) {
    let Some(mut extras) = extras else { return };
    extras.forget_node();
    pending.extend(extras.sources.drain(..).filter_map(SourceLink::into_last));
    // What works on the token's behalf is the user's code.
    panics.run(|| trampoline::drop(extras));
}

/// Puts the only child of `node` in its place, and `node` out of the tree, with the garbage. `node`'s detached callbacks go up to its
/// parent, or stay with it if it has none.
///
/// # Safety
/// The lock of the tree is held; `node` has exactly one child and no sources, and nobody holds it.
pub(super) unsafe fn splice_out(lock: &TreeLock, node: *const Node, garbage: &mut Garbage) {
    // SAFETY: the lock is held (T3); `child` and `parent` come from the node's links (R1), and are alive (T4).
    unsafe {
        let child = (*(*node).links()).first_child;
        let parent = splice(node, child);
        // T6: a hold on the parent passes to the child, which has none of its own (`node` has no sources).
        let holds = (*node).state.load_locked(lock).holds_parent();
        let state = (*child).state.load_locked(lock);
        (*child).state.store(lock, state.with_holds_parent(holds));
        if !parent.is_null() {
            (*(*parent).waiters()).append(lock, &mut *(*node).waiters());
        }
        garbage.nodes.push(node);
        garbage.silence(lock, child);
    }
}
