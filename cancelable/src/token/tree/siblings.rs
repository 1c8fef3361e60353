//! Parents, children and siblings: the links between nodes, and chains of nodes that are on their way out.

use super::*;

/// Nodes chained through `next`.
pub(in crate::token) struct NodeChain {
    pub(super) first: *const Node,
    pub(super) last: *const Node,
}

impl Default for NodeChain {
    fn default() -> Self {
        Self {
            first: ptr::null(),
            last: ptr::null(),
        }
    }
}

impl NodeChain {
    /// # Safety
    /// `node`'s `next` is the caller's to use, and the node stays alive while it is in the chain. The pointer is as it was
    /// allocated (R1): whoever takes it out may free through it.
    pub(super) unsafe fn push(&mut self, node: *const Node) {
        // SAFETY: `node` and `last` are in the chain or on their way into it, so they are alive (the caller's promise), and their
        // `next` is the chain's; `last` is a pointer that came here (R1).
        unsafe {
            (*(*node).links()).next = ptr::null();
            if self.first.is_null() {
                self.first = node;
            } else {
                (*(*self.last).links()).next = node;
            }
        }
        self.last = node;
    }

    /// # Safety
    /// The nodes of the chain are alive.
    pub(super) unsafe fn pop(&mut self) -> Option<NonNull<Node>> {
        let node = NonNull::new(self.first.cast_mut())?;
        // SAFETY: `node` is the pointer that `push` was given (R1), and alive by the caller's promise.
        unsafe {
            self.first = (*node.as_ref().links()).next;
            (*node.as_ref().links()).next = ptr::null();
        }
        Some(node)
    }
}

/// Hangs `child` behind the last child of `parent`.
///
/// # Safety
/// The lock of `parent`'s tree is held, and `child` is in no tree. Both pointers are as they were allocated (R1).
pub(super) unsafe fn attach(parent: *const Node, child: *const Node) {
    // SAFETY: the lock is held (T3), attached children are alive (T4). What is stored are the pointers given (R1).
    unsafe {
        let (up, down) = ((*parent).links(), (*child).links());
        (*down).parent = parent;
        if (*up).first_child.is_null() {
            (*down).prev = child;
            (*down).next = child;
            (*up).first_child = child;
        } else {
            let first = (*up).first_child;
            let last = (*(*first).links()).prev;
            (*down).prev = last;
            (*down).next = first;
            (*(*last).links()).next = child;
            (*(*first).links()).prev = child;
        }
    }
}

/// Takes `node` off its parent, in O(1); the parent, if there was one.
///
/// # Safety
/// The lock of the tree is held.
pub(super) unsafe fn detach(node: *const Node) -> *const Node {
    // SAFETY: the lock is held (T3); `parent`, `prev` and `next` of an attached node are alive (T4), and what `attach` and `splice`
    // stored there (R1).
    unsafe {
        let links = (*node).links();
        let parent = std::mem::replace(&mut (*links).parent, ptr::null());
        if parent.is_null() {
            return parent;
        }
        let (prev, next) = ((*links).prev, (*links).next);
        let up = (*parent).links();
        if ptr::eq(next, node) {
            (*up).first_child = ptr::null();
        } else {
            (*(*prev).links()).next = next;
            (*(*next).links()).prev = prev;
            if ptr::eq((*up).first_child, node) {
                (*up).first_child = next;
            }
        }
        (*links).prev = ptr::null();
        (*links).next = ptr::null();
        parent
    }
}

/// The links' part of [`splice_out`]; the parent, if there was one.
///
/// # Safety
/// The lock of the tree is held; `child` is the only child of `node`.
pub(super) unsafe fn splice(node: *const Node, child: *const Node) -> *const Node {
    // SAFETY: the lock is held (T3); `parent`, `prev`, `next` and `child` are alive (T4), and pointers as stored by `attach` (R1).
    // `child` is stored in their place as the caller has it, from `node`'s links (R1).
    unsafe {
        let links = (*node).links();
        let below = (*child).links();
        let (parent, prev, next) = ((*links).parent, (*links).prev, (*links).next);
        (*links).first_child = ptr::null();
        (*below).parent = parent;
        if parent.is_null() {
            (*below).prev = ptr::null();
            (*below).next = ptr::null();
        } else if ptr::eq(next, node) {
            (*below).prev = child;
            (*below).next = child;
            (*(*parent).links()).first_child = child;
        } else {
            (*below).prev = prev;
            (*below).next = next;
            (*(*prev).links()).next = child;
            (*(*next).links()).prev = child;
            if ptr::eq((*(*parent).links()).first_child, node) {
                (*(*parent).links()).first_child = child;
            }
        }
        (*links).parent = ptr::null();
        (*links).prev = ptr::null();
        (*links).next = ptr::null();
        parent
    }
}
