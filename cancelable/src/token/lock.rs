//! One lock per tree, out of a fixed set.
//!
//! Every node of a tree carries the same stripe number and is guarded by that stripe's lock; unrelated trees may share
//! a stripe. So a node needs no lock of its own, a cancel marks a whole tree under one lock, and no thread ever holds
//! two of them (rule T1 in `PROTOCOL.md`).

use std::cell::RefCell;

use crate::fork::{self, Hook, Layer};
use crate::primitive::{Mutex, MutexGuard, global, lock};

/// A power of two. Loom explores two, which is enough to have trees that share a lock and trees that do not.
const STRIPES: usize = if cfg!(cancelable_loom) { 2 } else { 256 };

/// On a cache line of its own, so that trees do not slow each other down. (Not on a pair of lines, which some processors fetch
/// together: twice the memory in every program, for a collision that is as rare as one of two trees with the same lock.)
#[repr(align(64))]
struct Stripe(Mutex<()>);

global! {
    static LOCKS: [Stripe; STRIPES] = stripes();
}

#[cfg(not(cancelable_loom))]
const fn stripes() -> [Stripe; STRIPES] {
    [const { Stripe(Mutex::new(())) }; STRIPES]
}

#[cfg(cancelable_loom)]
fn stripes() -> [Stripe; STRIPES] {
    std::array::from_fn(|_| Stripe(Mutex::new(())))
}

/// A stripe for a new tree, whose root is at `address`, every bit of which counts: allocators give each thread an arena of its
/// own, and so the trees of two threads addresses that differ in the upper bits alone. (Multiplying by the golden ratio is
/// Knuth's hash.)
#[cfg(not(cancelable_loom))]
pub(super) fn pick_stripe(address: usize) -> usize {
    let mixed = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (u64::BITS - STRIPES.trailing_zeros())) as usize
}

/// One after the other: addresses differ from one execution of a model to the next.
#[cfg(cancelable_loom)]
pub(super) fn pick_stripe(_: usize) -> usize {
    use std::sync::atomic::{AtomicUsize, Ordering};
    global! {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
    }
    NEXT.fetch_add(1, Ordering::Relaxed) & (STRIPES - 1)
}

global! {
    /// Held by the one who cancels across links. No user code runs under it.
    static CROSSING: Mutex<()> = Mutex::new(());
}

/// For who cancels across links. Taken before any lock of this file, and under none.
pub(super) fn lock_crossing() -> MutexGuard<'static, ()> {
    lock(&CROSSING)
}

/// How many locks there are for ways back.
const WAYS_BACK: usize = if cfg!(cancelable_loom) { 1 } else { 16 };

global! {
    /// Held by who takes a way back to a node, round the cell's own lock: a fork can take these few, and so knows that no
    /// cell is locked.
    static WAYS: [Mutex<()>; WAYS_BACK] = ways_back();
}

#[cfg(not(cancelable_loom))]
const fn ways_back() -> [Mutex<()>; WAYS_BACK] {
    [const { Mutex::new(()) }; WAYS_BACK]
}

#[cfg(cancelable_loom)]
fn ways_back() -> [Mutex<()>; WAYS_BACK] {
    std::array::from_fn(|_| Mutex::new(()))
}

/// For the way back whose cell is at `address`. May be taken under the lock of a tree and that of who crosses links; under it, only
/// the cell's is.
#[inline]
pub(super) fn lock_way_back(address: usize) -> MutexGuard<'static, ()> {
    // Cells are of 64 bytes or less, at least 16 apart.
    lock(&WAYS[(address >> 5) & (WAYS_BACK - 1)])
}

// Forks ---------------------------------------------------------------------------------------------------------------

/// Has a fork find no lock of this file taken: no other thread is in the middle of something when the process is copied. Called
/// before the first of them is taken. One load.
#[inline]
pub(super) fn watch_forks() {
    fork::register(Layer::Trees, || Hook {
        before,
        after,
        recover: || {},
    });
}

thread_local! {
    /// All locks, while this thread forks.
    static FORKING: RefCell<Vec<MutexGuard<'static, ()>>> = const { RefCell::new(Vec::new()) };
}

/// Locks crossing, every tree, and every way back.
fn before() {
    // The only place where one thread holds several; in this order always.
    let trees = LOCKS.iter().map(|stripe| &stripe.0);
    let locks = std::iter::once(&CROSSING as &Mutex<()>).chain(trees).chain(WAYS.iter());
    let locked = locks.map(lock).collect();
    // A thread that forks as its locals are destroyed keeps nothing.
    _ = FORKING.try_with(|forking| *forking.borrow_mut() = locked);
}

fn after(_is_child: bool) {
    drop(FORKING.try_with(RefCell::take));
}

/// Proof that one stripe is locked.
pub(super) struct TreeLock {
    _guard: MutexGuard<'static, ()>,
}

/// Locks the trees of this stripe.
#[inline]
pub(super) fn lock_stripe(stripe: usize) -> TreeLock {
    TreeLock {
        _guard: lock(&LOCKS[stripe & (STRIPES - 1)].0),
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    #[test]
    fn l23_a_fork_keeps_every_lock_and_gives_all_back() {
        let kept = || FORKING.with_borrow(Vec::len);
        before();
        assert_eq!(kept(), 1 + STRIPES + WAYS_BACK);
        after(false);
        assert_eq!(kept(), 0);
        drop((lock_crossing(), lock_way_back(0), lock_stripe(0)));
    }
}
