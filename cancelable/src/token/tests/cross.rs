//! A cancel across links that is stopped between its two steps: the tree is claimed, and not marked yet.

use std::panic::Location;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::*;
use crate::reason::ReasonKind;
use crate::token::CancellationToken;

/// What a thread has in hand that has claimed a tree.
struct Claimed {
    origin: Handle,
    cause: Arc<Cause>,
    links: Vec<Arc<LinkTarget>>,
}

impl Claimed {
    fn new(token: &CancellationToken) -> Self {
        let origin = token.node.clone();
        let cause = Arc::new(Cause::plain(ReasonKind::Manual, Location::caller()));
        let mut links = Vec::new();
        assert!(claim_tree(&origin, &cause, &mut links));
        Self { origin, cause, links }
    }

    fn is_cause_of(&self, token: &CancellationToken) -> bool {
        token.cause().is_some_and(|cause| Arc::ptr_eq(&cause, &self.cause))
    }

    /// Follows the links, which lead to tokens without links, and marks the tree.
    fn finish(&self) {
        let mut harvest = Harvest::default();
        for token in self.links.iter().filter_map(|target| target.fire()) {
            mark_tree(&token, &self.cause, true, &mut harvest);
            harvest.handles.push(token);
        }
        mark_tree(&self.origin, &self.cause, false, &mut harvest);
    }
}

#[test]
fn l03_whatever_comes_to_a_claimed_tree_has_the_cause_of_the_claim() {
    let root = CancellationToken::new();
    let [with_links, without] = [root.child_token(), root.child_token()];
    let (below, deep) = (with_links.child_token(), without.child_token().child_token());
    let linked = [&root, &with_links].map(|source| CancellationToken::any([source]));
    let claimed = Claimed::new(&root);
    let all = [&root, &with_links, &without, &below, &deep, &linked[0], &linked[1]];
    assert!(all.iter().all(|token| !token.is_cancelled()), "nothing is marked");

    // Of a node that is claimed: children, and what is linked to it.
    let mut late = vec![root.child_token(), with_links.child_token()];
    late.push(CancellationToken::any([&root]));
    late.push(CancellationToken::any([&with_links]));
    assert!(late.iter().all(|token| claimed.is_cause_of(token)));

    // Of one that is below a claim, without links up to now.
    let attached = without.child_token();
    assert!(!attached.is_cancelled());
    late.push(CancellationToken::any([&deep]));
    assert!(claimed.is_cause_of(&late[4]));
    // So its own cancel would come too late by now, and nothing can be put between the two.
    assert!(deep.node.state().is_claimed() && without.node.state().is_claimed());
    assert!(!attached.node.state().is_claimed() && !below.node.state().is_claimed());
    late.push(deep.child_token());
    assert!(claimed.is_cause_of(&late[5]));

    claimed.finish();
    late.push(attached);
    let all = all.into_iter().chain(&late);
    assert!(all.into_iter().all(|token| claimed.is_cause_of(token)));
}

#[test]
fn l03_what_is_linked_is_marked_before_the_token_that_it_is_linked_to() {
    let root = CancellationToken::new();
    // Each is linked to the one before it.
    let linked = CancellationToken::any([&root]);
    let last = CancellationToken::any([&linked]);
    let cause = Arc::new(Cause::plain(ReasonKind::Manual, Location::caller()));
    let mut harvest = Harvest::default();
    assert!(mark_across(&root.node, &cause, &mut harvest));
    // A tree is put there when it has been marked.
    let marked: Vec<usize> = harvest.handles.iter().map(Handle::address).collect();
    assert_eq!(marked, [&last, &linked, &root].map(|token| token.node.address()));
    assert!([root, linked, last].iter().all(CancellationToken::is_cancelled));
}

#[test]
fn a_branch_below_a_claim_is_cancelled_for_a_reason_of_its_own_as_long_as_nothing_links_to_it() {
    let root = CancellationToken::new();
    let [left, right] = [root.child_token(), root.child_token()];
    let linked = CancellationToken::any([&root]);
    let claimed = Claimed::new(&root);
    left.cancel();
    assert!(left.is_cancelled() && !claimed.is_cause_of(&left) && !left.is_inherited());
    claimed.finish();
    assert!(!claimed.is_cause_of(&left));
    assert!(
        [&root, &right, &linked]
            .into_iter()
            .all(|token| claimed.is_cause_of(token))
    );
}

#[test]
fn l03_who_cancels_a_token_that_is_claimed_returns_when_all_that_is_linked_is_marked() {
    for _ in 0..100 {
        let root = CancellationToken::new();
        let linked = CancellationToken::any([&root]);
        let crossing = lock_crossing();
        let claimed = Claimed::new(&root);
        let (start, has_returned) = (Barrier::new(2), AtomicBool::new(false));
        thread::scope(|s| {
            let second = s.spawn(|| {
                start.wait();
                root.cancel();
                has_returned.store(true, Ordering::Release);
                (linked.is_cancelled(), root.is_cancelled())
            });
            start.wait();
            // Time enough for one who does not wait; who does takes as long as this thread likes.
            for _ in 0..100 {
                thread::yield_now();
                assert!(!has_returned.load(Ordering::Acquire), "nothing is marked");
            }
            claimed.finish();
            drop(crossing);
            assert_eq!(second.join().unwrap(), (true, true));
        });
        assert!(claimed.is_cause_of(&root));
    }
}
