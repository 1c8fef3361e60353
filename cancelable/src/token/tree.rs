//! The tree: nodes, the handles that keep them, attach, detach, and the walk that marks a subtree as cancelled.
//!
//! The second of the two files with unsafe code (the other is `waiters.rs`). Rules are numbered T1 to T9 in
//! `PROTOCOL.md` and cited here. Nothing in this file runs user code under a lock: whatever has to be dropped, woken or
//! called is put into a [`Harvest`] and handed out.

use std::any::Any;
use std::ptr::{self, NonNull};

use super::deadline::Deadline;
use super::lock::{TreeLock, lock_stripe, pick_stripe};
use super::state::{Snapshot, State};
use super::unwind::FirstPanic;
use super::waiters::{Notify, Taken, Waiter, WaiterList};
use crate::cause::Cause;
use crate::primitive::{Arc, AtomicU32, AtomicUsize, Canary, Mutex, Ordering, UnsafeCell, global, lock};

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
    pub(super) name: Option<std::borrow::Cow<'static, str>>,
    /// The way back from a timer or a link; emptied before the node is freed (T7).
    weak: Option<Arc<WeakCell>>,
    /// What this token listens to besides its parent, with the entry in the other's list.
    sources: Vec<SourceLink>,
    /// What works on its behalf, for as long as it can be cancelled.
    pub(super) kept: Vec<Box<dyn Any + Send>>,
    /// For a token made by `all`: the deadline is the latest of its sources, not the earliest.
    pub(super) all_of: bool,
}

struct SourceLink {
    source: Handle,
    waiter: Box<Waiter<LinkTarget>>,
}

/// The far end of a link: which token to cancel, and after how many of its sources.
pub(super) struct LinkTarget {
    token: WeakHandle,
    remaining: AtomicUsize,
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

    /// A node with one handle, in no tree yet.
    fn boxed(stripe: Option<usize>, extras: Option<Box<Extras>>) -> Box<Self> {
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
        node
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
    fn drop(&mut self) {
        if !self.is_never() && !drop_alone(self.0) {
            if let Some(last) = give_up(self.0) {
                release(last);
            }
        }
    }
}

/// Drops a node whose only handle this is and that nothing depends on, as most are, without the general case's
/// bookkeeping; `false`: nothing has been done.
fn drop_alone(node: NonNull<Node>) -> bool {
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
        // SAFETY: as said.
        if !unsafe { is_bare(this, state) } {
            return false;
        }
    } else {
        let lock = lock_stripe(state.stripe());
        let state = this.state.load_locked(&lock);
        if state.is_cancelled() || this.handles.load(Ordering::Relaxed) != 1 {
            return false;
        }
        // SAFETY: the lock is held (T3), and neighbours are alive (T4).
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
                detach(this);
            } else if ptr::eq((*(*only).links()).next, only) {
                splice(this, only);
            } else {
                return false;
            }
        }
        // From here on nobody finds the node: it is in no tree, and it has no weak handle.
    }
    // SAFETY: nodes are allocated by `Box`, and this one is ours alone.
    let node = unsafe { Box::from_raw(node.as_ptr()) };
    // SAFETY: as above.
    let cause = node.cause.with_mut(|slot| unsafe { (*slot).take() });
    node.bury();
    // Perhaps the last to hold it, and with it an error of the user's.
    drop(cause);
    true
}

/// Has the node neither waiters nor extras, so that nothing but memory goes with it?
///
/// # Safety
/// The lock of the tree is held, or the node is in no tree and the caller has its only handle.
unsafe fn is_bare(node: &Node, state: Snapshot) -> bool {
    // SAFETY: the caller's promise. The children of a root that is not known are none.
    unsafe { (*node.waiters()).is_empty() && (*node.extras()).is_none() && !state.is_zombie() }
}

/// Takes one handle off the count; `Some` if it was the last.
fn give_up(node: NonNull<Node>) -> Option<NonNull<Node>> {
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

impl Handle {
    /// Gives the handle up; the node, to be released, if it was the last.
    fn into_last(self) -> Option<NonNull<Node>> {
        let this = std::mem::ManuallyDrop::new(self);
        if this.is_never() { None } else { give_up(this.0) }
    }

    /// A token of its own.
    pub(super) fn root(extras: Option<Box<Extras>>) -> Self {
        Self(NonNull::from(Box::leak(Node::boxed(None, extras))))
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
        // SAFETY: a handle keeps its node alive (T2).
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
        let child = Node::boxed(Some(self.state().stripe()), extras);
        let lock = self.lock();
        let parent_state = self.node().state.load_locked(&lock);
        if parent_state.is_cancelled() {
            drop(lock);
            return Self::born_cancelled(child, self);
        }
        // SAFETY: the lock of this tree is held (T3); `child` is nobody else's yet.
        unsafe {
            if (*self.node().extras())
                .as_deref()
                .is_some_and(|extras| !extras.sources.is_empty())
            {
                // T6: the parent must stay able to hear its sources while it has children.
                std::mem::forget(self.clone());
                let state = child.state.load_locked(&lock);
                child.state.store(&lock, state.with_holds_parent(true));
            }
            let state = child.state.load_locked(&lock);
            child.state.store(&lock, state.known());
            if !parent_state.is_known() {
                self.node().state.store(&lock, parent_state.known());
            }
            let child = Box::leak(child);
            attach(self.node(), child);
            Self(NonNull::from(child))
        }
    }

    fn born_cancelled(mut child: Box<Node>, parent: &Self) -> Self {
        let cause = parent.cause();
        // SAFETY: `child` is nobody else's yet.
        child.cause.with_mut(|slot| unsafe { *slot = cause });
        child.state = State::new(child.state.load().cancelled(true));
        // Nothing will be heard from here on, so the name and the deadline go at once. (It has no sources yet.)
        // SAFETY: as above.
        drop(unsafe { (*child.extras()).take() });
        Self(NonNull::from(Box::leak(child)))
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
                f(&view, (*node.as_ref().extras()).as_deref_mut());
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
    pub(super) fn name(&self) -> Option<std::borrow::Cow<'static, str>> {
        let _lock = self.lock();
        // SAFETY: the lock is held (T3).
        let extras = unsafe { (*self.node().extras()).as_deref() };
        extras.and_then(|extras| extras.name.clone())
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

    /// Puts a waiter into this node's list; `false` if the node is cancelled.
    ///
    /// # Safety
    /// W1: the caller owns `waiter`, it is in no list, and it stays where it is until it is out of this one again, which
    /// the caller sees to before its memory goes. The node is kept alive as long.
    #[inline]
    pub(super) unsafe fn enlist(&self, waiter: &Waiter<LinkTarget>) -> bool {
        // SAFETY: the caller's promise.
        unsafe { self.enlist_as(waiter, false) }
    }

    /// # Safety
    /// As [`enlist`](Self::enlist).
    #[inline]
    unsafe fn enlist_as(&self, waiter: &Waiter<LinkTarget>, is_link: bool) -> bool {
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
    pub(super) unsafe fn relist(
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
    pub(super) unsafe fn delist(&self, waiter: &Waiter<LinkTarget>) -> bool {
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
    pub(super) unsafe fn with_listed(
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

    /// A way back to this node that does not keep it.
    pub(super) fn downgrade(&self) -> WeakHandle {
        let cell = self.with_extras(|extras| {
            let cell = extras
                .weak
                .get_or_insert_with(|| Arc::new(WeakCell(Mutex::new(Some(NodeRef(self.0))))));
            Arc::clone(cell)
        });
        WeakHandle(cell.unwrap_or_else(|| Arc::new(WeakCell(Mutex::new(None)))))
    }

    /// Listens to `sources` besides the parent: cancelled with the first of them, or with the last if `all`.
    ///
    /// Called on a node that nobody else knows yet, so that there can be no cycle (T6).
    pub(super) fn listen_to(&self, sources: Vec<Self>, all: bool) {
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

    /// Marks this node and all below it as cancelled, and whatever is linked to any of them (L3); `None` if it was.
    ///
    /// Nobody has been told when this returns: that is [`Harvest`]'s second half, in `notify.rs`.
    pub(super) fn mark(&self, cause: &Arc<Cause>) -> Option<Harvest> {
        if self.is_never() {
            return None;
        }
        let mut harvest = Harvest::default();
        if !mark_tree(self, cause, false, &mut harvest) {
            return None;
        }
        while let Some(target) = harvest.links.pop() {
            // Outside the first tree's lock: no thread holds two (T1).
            if let Some(token) = target.fire() {
                mark_tree(&token, cause, true, &mut harvest);
                harvest.handles.push(token);
            }
        }
        Some(harvest)
    }
}

impl LinkTarget {
    /// One of the sources is cancelled; the token to cancel now, if it was the one that counts and is still there.
    fn fire(&self) -> Option<Handle> {
        // AcqRel: the last one sees what the others did.
        let before = self.remaining.fetch_sub(1, Ordering::AcqRel);
        if before == 1 { self.token.upgrade() } else { None }
    }

    fn source_cancelled(&self, cause: &Arc<Cause>) {
        if let Some(token) = self.fire() {
            // Not shared yet: nobody to tell, but its links are to be undone.
            let mut harvest = Harvest::default();
            mark_tree(&token, cause, true, &mut harvest);
        }
    }
}

/// What a mark leaves to be done once the lock is released: people to tell, and things to drop.
#[derive(Default)]
pub(super) struct Harvest {
    /// Marked nodes that have waiters, each kept by a handle.
    queue: NodeChain,
    /// Does one of them have a waiter for the first round?
    has_foreign: bool,
    /// Links that were found, to be followed outside the lock.
    links: Vec<Arc<LinkTarget>>,
    #[expect(clippy::vec_box, reason = "taken from the nodes as they are")]
    extras: Vec<Box<Extras>>,
    unheard: Vec<Taken<LinkTarget>>,
    /// Zombies, which nobody refers to any more.
    dead: NodeChain,
    /// Handles that marked children held on their parents, and the linked tokens.
    handles: Vec<Handle>,
}

// SAFETY: a harvest owns what its chains point to: handles on the queue's nodes, the memory of the dead ones.
unsafe impl Send for Harvest {}

impl Harvest {
    /// The nodes with waiters, first to last, without taking them out; none if no waiter is for the first round.
    pub(super) fn for_each_with_foreign(&self, mut f: impl FnMut(&Handle)) {
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
    pub(super) fn pop(&mut self) -> Option<Handle> {
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
    pub(super) fn take_waiters(
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

/// Nodes chained through `next`.
struct NodeChain {
    first: *const Node,
    last: *const Node,
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
    /// `node`'s `next` is the caller's to use, and the node stays alive while it is in the chain.
    unsafe fn push(&mut self, node: &Node) {
        // SAFETY: the caller's promise.
        unsafe {
            (*node.links()).next = ptr::null();
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
    unsafe fn pop(&mut self) -> Option<NonNull<Node>> {
        let node = NonNull::new(self.first.cast_mut())?;
        // SAFETY: the caller's promise.
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
/// The lock of `parent`'s tree is held, and `child` is in no tree.
unsafe fn attach(parent: &Node, child: &Node) {
    // SAFETY: the lock is held (T3), attached children are alive (T4).
    unsafe {
        let (up, down) = (parent.links(), child.links());
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
unsafe fn detach(node: &Node) -> *const Node {
    // SAFETY: the lock is held (T3); parent and siblings of an attached node are alive (T4).
    unsafe {
        let links = node.links();
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

/// Puts the only child of `node` in its place, and `node` out of the tree, with the garbage. `node`'s detached callbacks go up to its
/// parent, or stay with it if it has none.
///
/// # Safety
/// The lock of the tree is held; `node` has exactly one child and no sources, and nobody holds it.
unsafe fn splice_out(lock: &TreeLock, node: &Node, garbage: &mut Garbage) {
    // SAFETY: the lock is held (T3); neighbours are alive (T4).
    unsafe {
        let links = node.links();
        let child = (*links).first_child;
        let parent = splice(node, child);
        // T6: a hold on the parent passes to the child, which has none of its own (`node` has no sources).
        let holds = node.state.load_locked(lock).holds_parent();
        let state = (*child).state.load_locked(lock);
        (*child).state.store(lock, state.with_holds_parent(holds));
        if !parent.is_null() {
            (*(*parent).waiters()).append(lock, &mut *node.waiters());
        }
        garbage.nodes.push(node);
        garbage.silence(lock, child);
    }
}

/// The links' part of [`splice_out`]; the parent, if there was one.
///
/// # Safety
/// The lock of the tree is held; `child` is the only child of `node`.
unsafe fn splice(node: &Node, child: *const Node) -> *const Node {
    // SAFETY: the lock is held (T3); neighbours are alive (T4).
    unsafe {
        let links = node.links();
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

/// After a node lost a child: a zombie that has none left goes too, one with a single child left is spliced out (T5).
///
/// # Safety
/// The lock of the tree is held; `node` is null or alive.
unsafe fn tidy_upwards(lock: &TreeLock, node: *const Node, garbage: &mut Garbage) {
    let mut at = node;
    while !at.is_null() {
        // SAFETY: the lock is held (T3); `at` is alive: it is attached or was when its child was taken off (T4).
        unsafe {
            let zombie = &*at;
            if !zombie.state.load_locked(lock).is_zombie() {
                return;
            }
            let first = (*zombie.links()).first_child;
            if first.is_null() {
                let holds = zombie.state.load_locked(lock).holds_parent();
                at = detach(zombie);
                if !at.is_null() {
                    (*(*at).waiters()).append(lock, &mut *zombie.waiters());
                    if holds {
                        garbage.parents.push(NonNull::new_unchecked(at.cast_mut()));
                    }
                }
                garbage.nodes.push(zombie);
            } else {
                if ptr::eq((*(*first).links()).next, first) {
                    splice_out(lock, zombie, garbage);
                }
                return;
            }
        }
    }
}

/// What is to be freed once the lock is released.
#[derive(Default)]
struct Garbage {
    /// Nodes that are in no tree and that nobody holds.
    nodes: NodeChain,
    /// Parents whose handles, held by freed children, are to be given up (T6).
    parents: Vec<NonNull<Node>>,
    /// Of a node that became a zombie.
    extras: Option<Box<Extras>>,
    /// Callbacks that nobody can cause any more.
    unheard: Vec<Taken<LinkTarget>>,
}

impl Garbage {
    /// Takes the detached callbacks of a zombie that is a root: only an ancestor could have caused them (T8).
    ///
    /// # Safety
    /// The lock of the tree is held.
    unsafe fn silence(&mut self, lock: &TreeLock, node: *const Node) {
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
/// A loop, not a recursion: what is freed may hold handles on others in turn.
///
/// # Panics
/// If a destructor of the user's does (of a callback, of an error), after everything has been freed.
#[cold]
fn release(node: NonNull<Node>) {
    let mut panics = FirstPanic::default();
    release_all(Some(node), Vec::new(), &mut panics);
    panics.resume();
}

fn release_all(mut next: Option<NonNull<Node>>, mut pending: Vec<NonNull<Node>>, panics: &mut FirstPanic) {
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
unsafe fn free_all(chain: &mut NodeChain, pending: &mut Vec<NonNull<Node>>, panics: &mut FirstPanic) {
    // SAFETY: the caller's promise.
    while let Some(node) = unsafe { chain.pop() } {
        // SAFETY: as above.
        empty(unsafe { node.as_ref() }, pending, panics);
        // SAFETY: as above; nodes are allocated by `Box`, and since `empty` no weak handle finds this one (T7).
        let node = unsafe { Box::from_raw(node.as_ptr()) };
        node.bury();
    }
}

/// # Safety
/// The caller took the last handle off `node`.
unsafe fn retire(node: NonNull<Node>, garbage: &mut Garbage) {
    // SAFETY: nobody but the taker of the last handle frees a node that is no zombie (T5).
    let this = unsafe { node.as_ref() };
    if this.state.load().is_cancelled() {
        // Marked: in no tree, and the walk does not touch it again after the store we have just read (T3).
        // SAFETY: out of every chain but this one.
        unsafe { garbage.nodes.push(this) };
        return;
    }
    let lock = lock_stripe(this.state.load().stripe());
    let state = this.state.load_locked(&lock);
    // SAFETY: the lock is held (T3).
    unsafe {
        if state.is_cancelled() {
            garbage.nodes.push(this);
            return;
        }
        let first = (*this.links()).first_child;
        if first.is_null() {
            let parent = detach(this);
            if !parent.is_null() {
                // Detached callbacks stay with the tree: the nearest ancestor will run them (T8).
                (*(*parent).waiters()).append(&lock, &mut *this.waiters());
                if state.holds_parent() {
                    garbage.parents.push(NonNull::new_unchecked(parent.cast_mut()));
                }
            }
            garbage.nodes.push(this);
            tidy_upwards(&lock, parent, garbage);
        } else if ptr::eq((*(*first).links()).next, first) {
            splice_out(&lock, this, garbage);
        } else {
            this.state.store(&lock, state.as_zombie());
            // A dropped token takes its timer along. T7: nobody may find the way back once the lock is released, for
            // then the last child may free the node.
            let mut extras = (*this.extras()).take();
            if let Some(extras) = &mut extras {
                extras.forget_node();
            }
            garbage.extras = extras;
            garbage.silence(&lock, this);
        }
    }
}

/// Drops what a node contains that is about to be freed; handles among it go to `pending` instead of recursing.
fn empty(node: &Node, pending: &mut Vec<NonNull<Node>>, panics: &mut FirstPanic) {
    // SAFETY: nobody else has the node; only a weak handle may still look at its count (T7).
    dispose(unsafe { (*node.extras()).take() }, pending, panics);
    // SAFETY: as above.
    let waiters = unsafe { &mut *node.waiters() };
    // Callbacks that were detached on a root: nobody is left who could cancel it.
    if !waiters.is_empty() {
        let lock = lock_stripe(node.state.load().stripe());
        // SAFETY: the list is guarded by the lock (W2).
        let unheard: Vec<_> = std::iter::from_fn(|| unsafe { waiters.pop(&lock, false) }).collect();
        drop(lock);
        drop_each(unheard, panics);
    }
    // SAFETY: as above. Perhaps the last to hold it, and with it an error of the user's.
    let cause = node.cause.with_mut(|slot| unsafe { (*slot).take() });
    panics.run(|| drop(cause));
}

impl SourceLink {
    /// Undoes the link; the source, to be released, if this held its last handle.
    fn into_last(self) -> Option<NonNull<Node>> {
        let Self { source, waiter } = self;
        // SAFETY: the waiter was listed with this source and nowhere else.
        unsafe { source.delist(&waiter) };
        drop(waiter);
        source.into_last()
    }
}

/// Drops callbacks unrun, which is the user's code.
fn drop_each(unheard: Vec<Taken<LinkTarget>>, panics: &mut FirstPanic) {
    for callback in unheard {
        panics.run(|| drop(callback));
    }
}

/// Drops extras, outside any lock; nodes whose last handle they held go to `pending`.
fn dispose(extras: Option<Box<Extras>>, pending: &mut Vec<NonNull<Node>>, panics: &mut FirstPanic) {
    let Some(mut extras) = extras else { return };
    extras.forget_node();
    pending.extend(extras.sources.drain(..).filter_map(SourceLink::into_last));
    // What works on the token's behalf is the user's code.
    panics.run(|| drop(extras));
}

impl Extras {
    pub(super) fn new(name: Option<std::borrow::Cow<'static, str>>, deadline: Option<Deadline>) -> Self {
        Self {
            name,
            deadline,
            ..Self::default()
        }
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

/// Marks one tree from `origin` down, children before their parents: whoever reads a token as cancelled reads everything
/// below it as cancelled.
///
/// Iterative: the way back up is in the nodes.
fn mark_tree(origin: &Handle, cause: &Arc<Cause>, linked: bool, harvest: &mut Harvest) -> bool {
    let mut garbage = Garbage::default();
    {
        let lock = origin.lock();
        let root = origin.node();
        if root.state.load_locked(&lock).is_cancelled() {
            return false;
        }
        // SAFETY: the lock is held for the whole walk (T3); attached nodes are alive (T4).
        unsafe {
            let holds = root.state.load_locked(&lock).holds_parent();
            let parent = detach(root);
            if holds && !parent.is_null() {
                garbage.parents.push(NonNull::new_unchecked(parent.cast_mut()));
            }
            tidy_upwards(&lock, parent, &mut garbage);

            let mut at = first_leaf(root);
            while !at.is_null() {
                let node = &*at;
                let links = node.links();
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
                mark_node(&lock, node, above, origin, cause, linked, harvest);
            }
        }
    }
    harvest.unheard.append(&mut garbage.unheard);
    for parent in garbage.parents {
        harvest.handles.push(Handle(parent));
    }
    // SAFETY: zombies that have left the tree: nobody else points to them (T5).
    while let Some(node) = unsafe { garbage.nodes.pop() } {
        // SAFETY: the chain was the only one to have it.
        unsafe { harvest.dead.push(node.as_ref()) };
    }
    true
}

/// The first node without children on the way down along the first children.
///
/// # Safety
/// The lock of the tree is held, and `node` is in it.
#[inline]
unsafe fn first_leaf(mut node: *const Node) -> *const Node {
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
/// The tree's lock is held, and `node` has been taken out of the tree.
#[inline]
unsafe fn mark_node(
    lock: &TreeLock,
    node: &Node,
    above: *const Node,
    origin: &Handle,
    cause: &Arc<Cause>,
    linked: bool,
    harvest: &mut Harvest,
) {
    let is_origin = ptr::eq(node, origin.0.as_ptr());
    let state = node.state.load_locked(lock);
    // SAFETY: the lock is held (T3).
    unsafe {
        let waiters = &mut *node.waiters();
        if state.has_links() {
            waiters.take_links(lock, |target| harvest.links.push(target));
        }
        if let Some(mut extras) = (*node.extras()).take() {
            // T7: before the store below, after which the node may be freed at any moment.
            extras.forget_node();
            harvest.extras.push(extras);
        }
        if state.holds_parent() && !above.is_null() {
            harvest.handles.push(Handle(NonNull::new_unchecked(above.cast_mut())));
        }
        if !waiters.is_empty() {
            if try_hold(node) {
                harvest.has_foreign |= waiters.has_foreign(lock);
                harvest.queue.push(node);
            } else {
                // Nobody holds it, so these are detached callbacks; they run with the origin's, whose turn comes last (T8).
                (*origin.node().waiters()).append(lock, waiters);
            }
        }
        node.cause.with_mut(|slot| *slot = Some(Arc::clone(cause)));
        if state.is_zombie() {
            harvest.dead.push(node);
        }
        // The last touch, unless the queue or the dead list has it: from here on the last handle's taker may free it.
        node.state.store(lock, state.cancelled(linked || !is_origin));
    }
}

/// Takes a handle on a node, unless the last one is already gone.
fn try_hold(node: &Node) -> bool {
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
struct NodeRef(NonNull<Node>);

// SAFETY: only an address; what may be done with it is `WeakCell`'s to say.
unsafe impl Send for NodeRef {}

/// Knows a node until shortly before that is freed (T7).
struct WeakCell(Mutex<Option<NodeRef>>);

impl WeakCell {
    fn clear(&self) {
        *lock(&self.0) = None;
    }
}

/// A way back to a node that does not keep it.
#[derive(Clone)]
pub(super) struct WeakHandle(Arc<WeakCell>);

impl WeakHandle {
    /// The node, if somebody still holds it and it is not cancelled.
    pub(super) fn upgrade(&self) -> Option<Handle> {
        let node = lock(&self.0.0);
        let NodeRef(node) = (*node)?;
        // SAFETY: the cell is emptied, under its own lock, before the node is freed (T7), and we hold that lock.
        // (Not `then_some`: a handle made in vain would be dropped, and take one off the count.)
        try_hold(unsafe { node.as_ref() }).then(|| Handle(node))
    }
}

#[cfg(all(test, not(cancelable_loom)))]
#[path = "tests/tree.rs"]
mod tests;
