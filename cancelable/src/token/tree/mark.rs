//! The walk that marks a tree as cancelled, and what it leaves to be done once the lock is released.

use super::retire::{Garbage, dispose, drop_each, free_all, release_all, tidy};
use super::siblings::{NodeChain, detach};
use std::task::Waker;

use super::*;

/// What a mark leaves to be done once the lock is released: whom to notify, and what to drop.
#[derive(Default)]
pub(in crate::token) struct Harvest {
    /// Marked nodes that have waiters, each kept by a handle.
    pub(super) queue: NodeChain,
    /// Does one of them have a waiter for the first round?
    pub(super) has_foreign: bool,
    #[expect(clippy::vec_box, reason = "taken from the nodes as they are")]
    pub(super) extras: Vec<Box<Extras>>,
    pub(super) unheard: Vec<Taken<LinkTarget>>,
    /// Zombies, which nobody refers to any more.
    pub(super) dead: NodeChain,
    /// Handles that marked children held on their parents, and the linked tokens.
    pub(super) handles: Vec<Handle>,
}

// SAFETY: a harvest owns what its chains point to: handles on the queue's nodes, the memory of the dead ones.
unsafe impl Send for Harvest {}

impl Harvest {
    /// The nodes with waiters, first to last, without taking them out; none if no waiter is for the first round.
    pub(in crate::token) fn for_each_with_foreign(&self, mut f: impl FnMut(&Handle)) {
        let mut at = if self.has_foreign {
            self.queue.first
        } else {
            ptr::null()
        };
        while let Some(node) = NonNull::new(at.cast_mut()) {
            // The chain's own handle, seen from here.
            f(&std::mem::ManuallyDrop::new(Handle(node)));
            // SAFETY: the chain's handle keeps the node; after marking, `next` is the chain's (T3).
            at = unsafe { (*node.as_ref().links()).next };
        }
    }

    /// Takes the next node with waiters.
    pub(in crate::token) fn pop(&mut self) -> Option<Handle> {
        // SAFETY: the queue's nodes are marked and kept by a handle each, which passes to the caller.
        unsafe { self.queue.pop() }.map(Handle)
    }
}

impl Drop for Harvest {
    fn drop(&mut self) {
        let mut panics = FirstPanic::default();
        let mut pending: Vec<_> = std::iter::from_fn(|| self.pop())
            .filter_map(Handle::into_last)
            .collect();
        pending.extend(self.handles.drain(..).filter_map(Handle::into_last));
        for extras in self.extras.drain(..) {
            dispose(Some(extras), &mut pending, &mut panics);
        }
        drop_each(std::mem::take(&mut self.unheard), &mut panics);
        // SAFETY: zombies that have left the tree: nobody else points to them (T5).
        unsafe { free_all(&mut self.dead, &mut pending, &mut panics) };
        release_all(pending.pop(), pending, &mut panics);
        panics.resume();
    }
}

impl Handle {
    /// Takes up to `room` waiters off a marked node's list and hands them to `f`; `true` if there may be more.
    pub(in crate::token) fn take_waiters(
        &self,
        foreign: bool,
        room: usize,
        mut f: impl FnMut(Taken<LinkTarget>) -> bool,
    ) -> bool {
        let lock = self.lock();
        for _ in 0..room {
            // SAFETY: waiters of a marked node are still guarded by its tree's lock (W2).
            match unsafe { (*self.node().waiters()).pop(&lock, foreign) } {
                Some(taken) => {
                    if !f(taken) {
                        return true;
                    }
                }
                None => return false,
            }
        }
        true
    }
}

/// Marks one tree from `origin` down, children before their parents: whoever reads a token as cancelled reads everything
/// below it as cancelled (S3). What has links has been claimed, and the links have been followed.
///
/// Iterative: the way back up is in the nodes.
pub(super) fn mark_tree(origin: &Handle, cause: &Arc<Cause>, linked: bool, harvest: &mut Harvest) {
    let lock = origin.lock();
    if !origin.node().state.load_locked(&lock).is_cancelled() {
        // SAFETY: the lock is that of `origin`'s tree, and `origin` has just been found unmarked under it.
        unsafe { mark_locked(&lock, origin, cause, linked, harvest) };
    }
}

/// Is this a node on which nothing hangs, and for which nobody waits in the first round? It is the usual case, and can be
/// marked without a walk and without the bookkeeping of one.
///
/// # Safety
/// `lock` is the lock of `origin`'s tree, and `state` is `origin`'s.
#[inline(always)]
pub(super) unsafe fn is_alone(lock: &TreeLock, origin: &Handle, state: Snapshot) -> bool {
    let node = origin.node();
    // SAFETY: the lock is held (T3); `parent` comes from the links of a node that a handle keeps (R1), and is alive (T4).
    unsafe {
        let links = node.links();
        let parent = (*links).parent;
        (*links).first_child.is_null()
            && (*node.extras()).is_none()
            && !state.holds_parent()
            && !(*node.waiters()).has_foreign(lock)
            && (parent.is_null() || !(*parent).state.load_locked(lock).is_zombie())
    }
}

/// Marks a node that [is alone](is_alone). The first of its waiters, if that is a waker, and whether there are more.
///
/// # Safety
/// `lock` is the lock of `origin`'s tree, and `origin`, whose state this is, is alone, and neither marked nor claimed.
#[inline(always)]
pub(super) unsafe fn mark_alone(
    lock: &TreeLock,
    origin: &Handle,
    state: Snapshot,
    cause: Arc<Cause>,
) -> (Option<Waker>, bool) {
    let node = origin.node();
    // SAFETY: the lock is held (T3), and the pointer is `origin`'s own (R1). The list is reached by `waiters` alone meanwhile (W2).
    unsafe {
        detach(origin.0.as_ptr());
        let waiters = &mut *node.waiters();
        let first = waiters.pop_waker(lock);
        let has_more = !waiters.is_empty();
        cause.skip_rounds();
        node.cause.with_mut(|slot| *slot = Some(cause));
        node.state.store(lock, state.cancelled(false));
        (first, has_more)
    }
}

/// # Safety
/// `lock` is the lock of `origin`'s tree, and `origin` is not marked.
pub(super) unsafe fn mark_locked(
    lock: &TreeLock,
    origin: &Handle,
    cause: &Arc<Cause>,
    linked: bool,
    harvest: &mut Harvest,
) {
    let root = origin.0.as_ptr().cast_const();
    // SAFETY: the lock is held for the whole walk (T3). `root` is `origin`'s pointer, all others come from links of nodes that are
    // attached (R1), and these are alive (T4); `node` up to the store in `mark_node`, after which it is not used.
    unsafe {
        let holds = (*root).state.load_locked(lock).holds_parent();
        let parent = detach(root);
        if !parent.is_null() {
            if holds {
                harvest.handles.push(Handle(NonNull::new_unchecked(parent.cast_mut())));
            }
            let mut garbage = Garbage::default();
            tidy(lock, parent, &mut garbage);
            harvest.adopt(garbage);
        }

        let mut at = first_leaf(root);
        while !at.is_null() {
            let node = at;
            let links = (*node).links();
            let above = std::mem::replace(&mut (*links).parent, ptr::null());
            let next = std::mem::replace(&mut (*links).next, ptr::null());
            (*links).prev = ptr::null();
            (*links).first_child = ptr::null();
            // Where to go from here, found out first: once marked, `node` may be freed at any moment.
            at = if ptr::eq(node, root) {
                ptr::null()
            } else if ptr::eq(next, (*(*above).links()).first_child) {
                // (That child may be gone; its address still says that the circle is closed.)
                above
            } else {
                first_leaf(next)
            };
            mark_node(lock, node, above, origin, cause, linked, harvest);
        }
    }
}

/// The first node without children on the way down along the first children.
///
/// # Safety
/// The lock of the tree is held, and `node` is in it.
#[inline]
pub(super) unsafe fn first_leaf(mut node: *const Node) -> *const Node {
    loop {
        // SAFETY: the lock is held (T3), attached children are alive (T4).
        let child = unsafe { (*(*node).links()).first_child };
        if child.is_null() {
            return node;
        }
        node = child;
    }
}

/// Marks one node of the walk.
///
/// # Safety
/// The tree's lock is held, and `node` has been taken out of the tree; the pointer is as it was allocated (R1).
#[inline]
unsafe fn mark_node(
    lock: &TreeLock,
    node: *const Node,
    above: *const Node,
    origin: &Handle,
    cause: &Arc<Cause>,
    linked: bool,
    harvest: &mut Harvest,
) {
    let is_origin = ptr::eq(node, origin.0.as_ptr());
    // SAFETY: the lock is held (T3). `node` is alive up to the store of its state; `above` as long as its child may hold it, and a
    // handle made of it takes over that hold (T6). Both come from links or a handle (R1). `waiters` is this node's list, that of
    // `origin` another one: `origin` has a handle.
    unsafe {
        let state = (*node).state.load_locked(lock);
        let waiters = &mut *(*node).waiters();
        if let Some(mut extras) = (*(*node).extras()).take() {
            // T7: before the store below, after which the node may be freed at any moment.
            extras.forget_node();
            harvest.extras.push(extras);
        }
        if state.holds_parent() && !above.is_null() {
            harvest.handles.push(Handle(NonNull::new_unchecked(above.cast_mut())));
        }
        if !waiters.is_empty() {
            if try_hold(&*node) {
                harvest.has_foreign |= waiters.has_foreign(lock);
                harvest.queue.push(node);
            } else {
                // Nobody holds it, so these are detached callbacks; they run with the origin's, which come last (T8).
                (*origin.node().waiters()).append(lock, waiters);
            }
        }
        if !state.is_claimed() {
            (*node).cause.with_mut(|slot| *slot = Some(Arc::clone(cause)));
        }
        if state.is_zombie() {
            harvest.dead.push(node);
        }
        // The last touch, unless the queue or the dead list has it: from here on the last handle's taker may free it.
        (*node).state.store(lock, state.cancelled(linked || !is_origin));
    }
}

impl Harvest {
    /// What tidying left.
    fn adopt(&mut self, mut garbage: Garbage) {
        self.unheard.append(&mut garbage.unheard);
        self.handles.extend(garbage.parents.into_iter().map(Handle));
        // SAFETY: zombies that have left the tree: nobody else points to them (T5).
        while let Some(node) = unsafe { garbage.nodes.pop() } {
            // SAFETY: the chain was the only one to have it, and has it as it was allocated (R1).
            unsafe { self.dead.push(node.as_ptr()) };
        }
    }
}

impl LinkTarget {
    /// One of the sources was cancelled before it could be listened to.
    pub(super) fn source_cancelled(&self, cause: &Arc<Cause>) {
        if let Some(token) = self.fire() {
            // Not shared yet: nobody to notify, but its links are to be undone.
            let mut harvest = Harvest::default();
            mark_tree(&token, &self.hears(cause), true, &mut harvest);
            harvest.handles.push(token);
        }
    }
}
