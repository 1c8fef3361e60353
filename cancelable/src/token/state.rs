//! The state word of a node: its bits, and a snapshot of them.
//!
//! Every write happens under the lock of the node's tree, so a transition is a plain load and store; readers need no
//! lock. `CANCELLED` never goes away again, and whoever reads it (Acquire) may also read the cause (rule S2).

use crate::primitive::{AtomicU32, Ordering};

/// Cancelled; the cause is there.
const CANCELLED: u32 = 1;
/// The cancel was asked of an ancestor or of a linked token.
const INHERITED: u32 = 1 << 1;
/// Something must be looked at before "not cancelled" may be answered: a deadline that no timer watches yet.
const ATTENTION: u32 = 1 << 2;
/// No handle is left; the node stays because two or more children hang on it.
const ZOMBIE: u32 = 1 << 3;
/// The node holds a handle on its parent, because that is linked to other trees and must live to hear them.
const HOLDS_PARENT: u32 = 1 << 4;
/// Some waiter of the list is, or once was, a link to another token.
const HAS_LINKS: u32 = 1 << 5;
/// Somebody wants to know whether check points are passed here (`pulse.rs`).
const PULSE: u32 = 1 << 6;
/// The node has, or once had, a parent, a child or a weak handle: others may reach its links, under the tree's lock.
const KNOWN: u32 = 1 << 7;
/// This node or one below has, or once had, a link: a cancel of it has to cross to other trees.
const LINKS_BELOW: u32 = 1 << 8;
/// A cancel that crosses links has begun with this node: the cause is there, and `CANCELLED` will follow.
const CLAIMED: u32 = 1 << 9;
/// The stripe number lives above this bit and never changes.
const STRIPE_SHIFT: u32 = 16;

/// What the word said at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Snapshot(u32);

impl Snapshot {
    pub(super) const fn never() -> Self {
        Self(0)
    }

    /// A fresh node of the tree with this stripe.
    pub(super) fn fresh(stripe: usize) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "a stripe number is below 256")]
        Self((stripe as u32) << STRIPE_SHIFT)
    }

    pub(super) fn is_cancelled(self) -> bool {
        self.0 & CANCELLED != 0
    }

    pub(super) fn is_inherited(self) -> bool {
        self.0 & INHERITED != 0
    }

    pub(super) fn wants_attention(self) -> bool {
        self.0 & ATTENTION != 0
    }

    /// Is whoever passes a check point here to say so?
    pub(super) fn wants_pulse(self) -> bool {
        self.0 & PULSE != 0
    }

    /// Neither cancelled nor in want of anything: the fast path's one question.
    #[inline(always)]
    pub(super) fn is_quiet(self) -> bool {
        self.0 & (CANCELLED | ATTENTION | PULSE) == 0
    }

    pub(super) fn is_zombie(self) -> bool {
        self.0 & ZOMBIE != 0
    }

    pub(super) fn holds_parent(self) -> bool {
        self.0 & HOLDS_PARENT != 0
    }

    pub(super) fn has_links(self) -> bool {
        self.0 & HAS_LINKS != 0
    }

    pub(super) fn has_links_below(self) -> bool {
        self.0 & LINKS_BELOW != 0
    }

    pub(super) fn is_claimed(self) -> bool {
        self.0 & CLAIMED != 0
    }

    /// Cancelled, or claimed: the cause is there for who holds the lock.
    #[inline]
    pub(super) fn has_cause(self) -> bool {
        self.0 & (CANCELLED | CLAIMED) != 0
    }

    /// Has a cancel to see to more than this tree, or to wait for one that does?
    #[inline]
    pub(super) fn is_crossed(self) -> bool {
        self.0 & (CLAIMED | LINKS_BELOW) != 0
    }

    pub(super) fn is_known(self) -> bool {
        self.0 & KNOWN != 0
    }

    pub(super) fn stripe(self) -> usize {
        (self.0 >> STRIPE_SHIFT) as usize
    }

    #[must_use]
    pub(super) const fn with_attention(self, on: bool) -> Self {
        Self(if on { self.0 | ATTENTION } else { self.0 & !ATTENTION })
    }

    #[must_use]
    pub(super) fn with_pulse(self, on: bool) -> Self {
        Self(if on { self.0 | PULSE } else { self.0 & !PULSE })
    }

    #[must_use]
    pub(super) fn known(self) -> Self {
        Self(self.0 | KNOWN)
    }

    #[must_use]
    pub(super) fn as_zombie(self) -> Self {
        Self(self.0 | ZOMBIE)
    }

    #[must_use]
    pub(super) fn with_holds_parent(self, on: bool) -> Self {
        Self(if on {
            self.0 | HOLDS_PARENT
        } else {
            self.0 & !HOLDS_PARENT
        })
    }

    #[must_use]
    pub(super) fn with_links(self) -> Self {
        Self(self.0 | HAS_LINKS)
    }

    #[must_use]
    pub(super) fn with_links_below(self) -> Self {
        Self(self.0 | LINKS_BELOW)
    }

    #[must_use]
    pub(super) fn claimed(self) -> Self {
        Self(self.0 | CLAIMED)
    }

    /// The one transition that ends all others: the rest of the flags are meaningless from here on.
    #[must_use]
    pub(super) fn cancelled(self, inherited: bool) -> Self {
        let inherited = if inherited { INHERITED } else { 0 };
        Self((self.0 >> STRIPE_SHIFT << STRIPE_SHIFT) | CANCELLED | inherited)
    }
}

/// The word itself.
pub(super) struct State(AtomicU32);

impl State {
    crate::primitive::const_fn! {
        pub(super) fn new(snapshot: Snapshot) -> Self {
            Self(AtomicU32::new(snapshot.0))
        }
    }

    /// Acquire: what was written before the store that is read here, the cause above all, is visible.
    #[inline(always)]
    pub(super) fn load(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Acquire))
    }

    /// For the holder of the tree's lock: nobody else writes.
    pub(super) fn load_locked(&self, _lock: &super::lock::TreeLock) -> Snapshot {
        Snapshot(self.0.load(Ordering::Relaxed))
    }

    /// For who alone has the node: whatever hands that to others publishes this as well.
    pub(super) fn store_unshared(&self, snapshot: Snapshot) {
        self.0.store(snapshot.0, Ordering::Relaxed);
    }

    /// For the holder of the tree's lock. Release: see [`load`](Self::load).
    pub(super) fn store(&self, _lock: &super::lock::TreeLock, snapshot: Snapshot) {
        self.0.store(snapshot.0, Ordering::Release);
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_leaves_the_number_of_the_lock_and_takes_all_flags_but_its_own() {
        let fresh = Snapshot::fresh(255);
        let all = fresh.known().as_zombie().with_attention(true).with_holds_parent(true);
        let all = all.with_pulse(true).with_links().with_links_below().claimed();
        for (cancelled, inherited) in [(all.cancelled(false), false), (fresh.cancelled(true), true)] {
            assert_eq!(cancelled.stripe(), 255);
            assert!(cancelled.is_cancelled() && cancelled.has_cause());
            assert_eq!(cancelled.is_inherited(), inherited);
            assert!(!cancelled.wants_attention() && !cancelled.wants_pulse());
            assert!(!cancelled.is_zombie() && !cancelled.holds_parent());
            assert!(!cancelled.has_links() && !cancelled.is_crossed() && !cancelled.is_known());
        }
    }
}
