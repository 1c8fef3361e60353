//! The tree: nodes, the handles that keep them, attach, detach, and the walk that marks a subtree as cancelled.
//!
//! The second of the two places with unsafe code (the other is `waiters.rs`). Rules are numbered T1 to T8 in
//! `PROTOCOL.md` and cited here. Nothing in here runs user code under a lock: whatever has to be dropped, woken or
//! called is put into a [`Harvest`] and handed out.
//!
//! This file has the node and the handle. The parts of the algorithm are files of their own: `siblings.rs` (links),
//! `listen.rs` (who is to be notified), `retire.rs` (giving up and freeing), `mark.rs` (the cancel walk), `weak.rs`.

use std::any::Any;
use std::borrow::Cow;
use std::ptr::{self, NonNull};

use super::deadline::Deadline;
use super::lock::{TreeLock, lock_stripe, pick_stripe, watch_forks};
use super::state::{Snapshot, State};
use super::waiters::{AsWaiter, BoxedWaiter, Notify, Taken, Waiter, WaiterList};
use crate::cause::Cause;
use crate::observe::Subject;
use crate::primitive::{Arc, AtomicU32, AtomicUsize, Canary, Mutex, Ordering, UnsafeCell, global, lock};
use crate::unwind::FirstPanic;

// In order of dependency.
mod weak;

mod siblings;

mod retire;

mod links;

mod mark;

mod cross;

mod listen;

mod spread;

mod above;

pub(super) use cross::Marked;
use links::SourceLink;
pub(super) use links::{LinkTarget, Listens};
pub(super) use mark::Harvest;
use retire::{drop_alone, give_up, release};
use siblings::attach;
pub(super) use weak::WeakHandle;
use weak::{WeakCell, try_hold};

/// One token of the tree. One allocation, whatever the number of handles, children and waiters.
pub(super) struct Node {
    state: State,
    /// Handles on this node (T2). Children are not counted, waiters neither.
    handles: AtomicU32,
    /// Guarded by the tree's lock until the node is marked as cancelled; the walk's and the harvest's afterwards (T3).
    links: UnsafeCell<Links>,
    /// Guarded by the tree's lock, always (W2).
    waiters: UnsafeCell<WaiterList<LinkTarget>>,
    /// Guarded by the tree's lock; empty once marked (T3).
    extras: UnsafeCell<Option<Box<Extras>>>,
    /// Written once, before `CANCELLED` is stored; read only after `CANCELLED` was loaded (S2).
    cause: UnsafeCell<Option<Arc<Cause>>>,
    canary: Canary,
}

struct Links {
    parent: *const Node,
    /// Siblings, as a circle; after marking, `next` chains the harvest's queues.
    prev: *const Node,
    next: *const Node,
    first_child: *const Node,
}

/// What few nodes have, kept out of the node so that it stays within a cache line.
#[derive(Default)]
pub(super) struct Extras {
    pub(super) deadline: Option<Deadline>,
    pub(super) name: Option<Cow<'static, str>>,
    /// Of the scope of that name, for who observes.
    subject: Subject,
    /// The way back from a timer or a link; emptied before the node is freed (T7).
    weak: Option<Arc<WeakCell>>,
    /// What this token listens to besides its parent, with the entry in the other's list.
    sources: Vec<SourceLink>,
    /// What works on its behalf, for as long as it can be cancelled.
    pub(super) kept: Vec<Box<dyn Any + Send>>,
    /// For a token made by `all`: the deadline is the latest of its sources, not the earliest.
    pub(super) all_of: bool,
}

// SAFETY: all fields but `state` and `handles`, which are atomic, are reached as T3 and S2 say: by one thread at a
// time, or after a Release/Acquire pair. What they hold may travel between threads.
unsafe impl Send for Node {}
// SAFETY: as above.
unsafe impl Sync for Node {}

global! {
    static NEVER: Node = Node::never();
}

impl Node {
    crate::primitive::const_fn! {
        fn never() -> Self {
            Self {
                state: State::new(Snapshot::never()),
                handles: AtomicU32::new(1),
                links: UnsafeCell::new(Links::none()),
                waiters: UnsafeCell::new(WaiterList::new()),
                extras: UnsafeCell::new(None),
                cause: UnsafeCell::new(None),
                canary: Canary::new(),
            }
        }
    }

    /// Memory for a node with one handle, in no tree yet. All pointers to the node are copies of this one (R1).
    fn alloc(stripe: Option<usize>, extras: Option<Box<Extras>>) -> NonNull<Self> {
        let mut node = Box::new(Self {
            state: State::new(Snapshot::fresh(0)),
            handles: AtomicU32::new(1),
            links: UnsafeCell::new(Links::none()),
            waiters: UnsafeCell::new(WaiterList::new()),
            extras: UnsafeCell::new(extras),
            cause: UnsafeCell::new(None),
            canary: Canary::new(),
        });
        let stripe = stripe.unwrap_or_else(|| pick_stripe(ptr::from_ref(&*node).addr()));
        node.state = State::new(Snapshot::fresh(stripe));
        NonNull::from(Box::leak(node))
    }

    /// Frees a node that is empty.
    ///
    /// # Safety
    /// `node` is as it was allocated (R1), and the caller's alone.
    unsafe fn free(node: NonNull<Self>) {
        // SAFETY: the caller's promise; `alloc` took it from a `Box`.
        unsafe { Box::from_raw(node.as_ptr()) }.bury();
    }

    /// Frees the memory of a node that is empty.
    fn bury(self: Box<Self>) {
        // Loom interleaves only what it sees to touch the same thing: freeing touches what every user asks first.
        #[cfg(cancelable_loom)]
        self.handles.store(0, Ordering::Relaxed);
        Canary::free(self, |node| &node.canary);
    }

    fn links(&self) -> *mut Links {
        self.canary.sing();
        self.links.with_mut(|links| links)
    }

    fn waiters(&self) -> *mut WaiterList<LinkTarget> {
        self.canary.sing();
        self.waiters.with_mut(|waiters| waiters)
    }

    fn extras(&self) -> *mut Option<Box<Extras>> {
        self.canary.sing();
        self.extras.with_mut(|extras| extras)
    }
}

impl Links {
    const fn none() -> Self {
        Self {
            parent: ptr::null(),
            prev: ptr::null(),
            next: ptr::null(),
            first_child: ptr::null(),
        }
    }
}

/// Counts this long lived a reference as an `Arc` does: far more handles than memory could hold.
const MAX_HANDLES: u32 = i32::MAX as u32;

/// A counted reference to a node; what `CancellationToken` is made of.
pub(super) struct Handle(NonNull<Node>);

// SAFETY: a handle is a counted reference to a `Node`, which is `Send` and `Sync`.
unsafe impl Send for Handle {}
// SAFETY: as above.
unsafe impl Sync for Handle {}

impl Clone for Handle {
    fn clone(&self) -> Self {
        if !self.is_never() {
            // Relaxed: the new handle is made from one that exists, as with `Arc`.
            let before = self.node().handles.fetch_add(1, Ordering::Relaxed);
            if before > MAX_HANDLES {
                std::process::abort();
            }
        }
        Self(self.0)
    }
}

impl Drop for Handle {
    #[inline]
    fn drop(&mut self) {
        if !self.is_never() {
            drop_counted(self.0);
        }
    }
}

fn drop_counted(node: NonNull<Node>) {
    if !drop_alone(node) {
        if let Some(last) = give_up(node) {
            release(last);
        }
    }
}

impl Handle {
    /// Gives the handle up; the node, to be released, if it was the last.
    fn into_last(self) -> Option<NonNull<Node>> {
        let this = std::mem::ManuallyDrop::new(self);
        if this.is_never() { None } else { give_up(this.0) }
    }

    /// A token of its own.
    pub(super) fn root(extras: Option<Box<Extras>>) -> Self {
        // Every lock of a tree is taken on behalf of one.
        watch_forks();
        Self(Node::alloc(None, extras))
    }

    crate::primitive::const_fn! {
        pub(super) fn never() -> Self {
            let node: &'static Node = &NEVER;
            // SAFETY: a reference is not null.
            Self(unsafe { NonNull::new_unchecked(ptr::from_ref(node).cast_mut()) })
        }
    }

    #[inline(always)]
    pub(super) fn is_never(&self) -> bool {
        let never: &'static Node = &NEVER;
        ptr::eq(self.0.as_ptr(), never)
    }

    #[inline(always)]
    fn node(&self) -> &Node {
        // SAFETY: the pointer is as it was allocated (R1), and a handle keeps its node alive (T2).
        let node = unsafe { self.0.as_ref() };
        node.canary.sing();
        node
    }

    pub(super) fn address(&self) -> usize {
        self.0.addr().get()
    }

    /// The state word of the node that `never` is on.
    pub(super) fn never_state() -> &'static State {
        let never: &'static Node = &NEVER;
        &never.state
    }

    #[inline(always)]
    pub(super) fn state_word(&self) -> &State {
        &self.node().state
    }

    #[inline(always)]
    pub(super) fn state(&self) -> Snapshot {
        self.node().state.load()
    }

    pub(super) fn handle_count(&self) -> u32 {
        self.node().handles.load(Ordering::Acquire)
    }

    #[inline]
    pub(super) fn lock(&self) -> TreeLock {
        // The stripe never changes, so any load will do.
        lock_stripe(self.state().stripe())
    }

    /// The cause, once cancelled.
    pub(super) fn cause(&self) -> Option<Arc<Cause>> {
        if !self.state().is_cancelled() {
            return None;
        }
        // SAFETY: `CANCELLED` was loaded with Acquire, so the write of the cause is visible, and it is the last (S2).
        self.node().cause.with(|cause| unsafe { (*cause).clone() })
    }

    /// A child: attached to this node, or born cancelled with the same cause.
    pub(super) fn child(&self, extras: Option<Box<Extras>>) -> Self {
        if self.is_never() {
            return Self::root(extras);
        }
        let child = Self(Node::alloc(Some(self.state().stripe()), extras));
        let lock = self.lock();
        let parent_state = self.node().state.load_locked(&lock);
        if parent_state.has_cause() {
            // SAFETY: marked or claimed, and the lock is held (S2).
            let cause = self.node().cause.with(|cause| unsafe { (*cause).clone() });
            drop(lock);
            return child.born_cancelled(cause);
        }
        // SAFETY: the lock of this tree is held (T3); `child` is nobody else's yet.
        unsafe {
            let mut state = child.node().state.load_locked(&lock);
            if (*self.node().extras())
                .as_deref()
                .is_some_and(|extras| !extras.sources.is_empty())
            {
                // T6: the parent must stay able to hear its sources while it has children.
                std::mem::forget(self.clone());
                state = state.with_holds_parent(true);
            }
            // Or else what is passed in there before the wish is spread again would go unnoticed.
            state = state.with_pulse(parent_state.wants_pulse());
            child.node().state.store(&lock, state.known());
            if !parent_state.is_known() {
                self.node().state.store(&lock, parent_state.known());
            }
            attach(self.0.as_ptr(), child.0.as_ptr());
        }
        child
    }

    /// Makes a node that nobody else knows yet cancelled.
    fn born_cancelled(self, cause: Option<Arc<Cause>>) -> Self {
        let node = self.node();
        // SAFETY: `node` is this handle's, the only one, and is in no tree: nobody else reaches its cells.
        node.cause.with_mut(|slot| unsafe { *slot = cause });
        // Nothing will be heard from here on, so the name and the deadline go at once. (It has no sources yet.)
        // SAFETY: likewise.
        let extras = unsafe { (*node.extras()).take() };
        node.state.store_unshared(node.state.load().cancelled(true));
        drop(extras);
        self
    }

    /// Reads or changes this node's extras, under the lock. `None` if it is cancelled or `never`: nothing there any more.
    pub(super) fn with_extras<R>(&self, f: impl FnOnce(&mut Extras) -> R) -> Option<R> {
        if self.is_never() {
            return None;
        }
        let lock = self.lock();
        let state = self.node().state.load_locked(&lock);
        if state.is_cancelled() {
            return None;
        }
        // A weak handle may be among them.
        if !state.is_known() {
            self.node().state.store(&lock, state.known());
        }
        // SAFETY: the lock is held (T3); `f` gets no way to reach the links otherwise.
        let extras = unsafe { &mut *self.node().extras() };
        Some(f(extras.get_or_insert_default()))
    }

    /// Reads the extras of this node and its ancestors, nearest first, under the lock. What `f` gets to see is not a
    /// counted handle: an ancestor may have lost its last one. See [`try_clone`](Self::try_clone).
    pub(super) fn for_each_upwards(&self, mut f: impl FnMut(&Self, Option<&mut Extras>)) {
        self.climb(|node, extras| {
            f(node, extras);
            true
        });
    }

    /// As [`for_each_upwards`](Self::for_each_upwards), for as long as `f` says `true`.
    pub(super) fn climb(&self, mut f: impl FnMut(&Self, Option<&mut Extras>) -> bool) {
        if self.is_never() {
            return;
        }
        let _lock = self.lock();
        let mut at = self.0.as_ptr().cast_const();
        while let Some(node) = NonNull::new(at.cast_mut()) {
            // A view for the callback, not a counted handle.
            let view = std::mem::ManuallyDrop::new(Self(node));
            // SAFETY: a node's parents are alive while it is attached (T4), and the lock is held (T3).
            unsafe {
                if !f(&view, (*node.as_ref().extras()).as_deref_mut()) {
                    return;
                }
                at = (*node.as_ref().links()).parent;
            }
        }
    }

    /// A handle on a node of the tree whose lock is held, unless its last handle is gone and it is about to go too.
    pub(super) fn try_clone(&self) -> Option<Self> {
        try_hold(self.node()).then(|| Self(self.0))
    }

    /// Sets or clears the wish for attention; `false` if the node is cancelled.
    pub(super) fn set_attention(&self, on: bool) -> bool {
        let lock = self.lock();
        let state = self.node().state.load_locked(&lock);
        if state.is_cancelled() {
            return false;
        }
        self.node().state.store(&lock, state.with_attention(on));
        true
    }

    /// The name, for `Debug`: gone once cancelled.
    pub(super) fn name(&self) -> Option<Cow<'static, str>> {
        let _lock = self.lock();
        // SAFETY: the lock is held, and guards the extras (T3).
        let extras = unsafe { (*self.node().extras()).as_deref() };
        extras.and_then(|extras| extras.name.clone())
    }

    /// The scope, for who observes: not known any more once cancelled.
    pub(super) fn subject(&self) -> Subject {
        if self.is_never() {
            return Subject::NONE;
        }
        let _lock = self.lock();
        // SAFETY: the lock is held, and guards the extras (T3).
        let extras = unsafe { (*self.node().extras()).as_deref() };
        extras.map_or(Subject::NONE, |extras| extras.subject.clone())
    }

    /// How many children are attached: counted, for `Debug`.
    pub(super) fn child_count(&self) -> usize {
        let lock = self.lock();
        let mut count = 0;
        // SAFETY: the lock is held (T3); attached children are alive (T4).
        unsafe {
            let first = self.first_child(&lock);
            let mut at = first;
            while !at.is_null() {
                count += 1;
                at = (*(*at).links()).next;
                if ptr::eq(at, first) {
                    break;
                }
            }
        }
        count
    }

    /// The first child, if the node has any: once marked it has none, and its links are the harvest's (T3).
    fn first_child(&self, lock: &TreeLock) -> *const Node {
        if self.node().state.load_locked(lock).is_cancelled() {
            return ptr::null();
        }
        // SAFETY: the lock is held, and the node is not marked (T3).
        unsafe { (*self.node().links()).first_child }
    }

    /// Nobody else holds this token, hangs on it or waits for it: it can be dropped without anyone noticing.
    pub(super) fn is_unshared(&self) -> bool {
        if self.handle_count() != 1 {
            return false;
        }
        let lock = self.lock();
        // SAFETY: the lock is held (T3).
        let is_waited_for = unsafe { !(*self.node().waiters()).is_empty() };
        !is_waited_for && self.first_child(&lock).is_null()
    }
}

impl Extras {
    pub(super) fn new(name: Option<Cow<'static, str>>, deadline: Option<Deadline>, subject: Subject) -> Self {
        Self {
            name,
            deadline,
            subject,
            ..Self::default()
        }
    }

    /// Does this token listen to anything besides its parent?
    pub(super) fn has_sources(&self) -> bool {
        !self.sources.is_empty()
    }

    /// What this token listens to besides its parent, and whether it needs all of them.
    pub(super) fn sources(&self) -> (Vec<Handle>, bool) {
        (
            self.sources.iter().map(|link| link.source.clone()).collect(),
            self.all_of,
        )
    }

    fn forget_node(&mut self) {
        if let Some(weak) = self.weak.take() {
            weak.clear();
        }
    }
}

#[cfg(all(test, not(cancelable_loom)))]
#[path = "../tests/tree.rs"]
mod tests;
