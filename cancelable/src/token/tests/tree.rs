//! What only shows from inside: nodes between the loss of their last handle and the moment they go.

use std::time::{Duration, Instant};

use super::*;
use crate::token::CancellationToken;

/// Stands for a thread that has taken off the last handle and waits for the tree's lock.
struct Dying(Handle);

impl Dying {
    fn new(token: CancellationToken) -> Self {
        let handle = token.node.clone();
        drop(token);
        assert_eq!(handle.node().handles.swap(0, Ordering::Relaxed), 1);
        Self(handle)
    }

    fn count(&self) -> u32 {
        self.0.node().handles.load(Ordering::Relaxed)
    }
}

impl Drop for Dying {
    fn drop(&mut self) {
        assert_eq!(
            self.0.node().handles.swap(1, Ordering::Relaxed),
            0,
            "somebody revived it"
        );
    }
}

#[test]
fn the_way_back_to_a_dying_node_leads_nowhere_and_leaves_its_count_alone() {
    let token = CancellationToken::new();
    let way_back = token.node.downgrade();
    let dying = Dying::new(token);
    for _ in 0..2 {
        assert!(way_back.upgrade().is_none());
        assert_eq!(dying.count(), 0);
    }
}

#[test]
fn a_deadline_of_a_dying_ancestor_is_neither_watched_nor_kept() {
    let parent = CancellationToken::new();
    let child = parent.child_token();
    let soon = Deadline::new(
        Instant::now() + Duration::from_secs(3600),
        None,
        std::panic::Location::caller(),
    );
    parent.node.with_extras(|extras| extras.deadline = Some(soon));
    child.node.set_attention(true);
    let dying = Dying::new(parent);
    assert!(!child.is_cancelled());
    assert_eq!(dying.count(), 0);
}

#[test]
fn a_node_fits_a_cache_line() {
    assert!(size_of::<Node>() <= 64, "{}", size_of::<Node>());
}

#[test]
fn l08_asking_takes_no_lock() {
    let token = CancellationToken::new();
    let lock = token.node.lock();
    assert!(!token.is_cancelled() && token.check().is_ok() && token.reason().is_none() && !token.is_inherited());
    drop(lock);
    token.cancel();
    // The tree's one lock is held by this very thread: taking it would never end.
    let _lock = token.node.lock();
    assert!(token.is_cancelled() && token.check().is_err() && token.reason().is_some());
}

#[test]
fn trees_have_locks_of_their_own_and_children_have_their_parents() {
    let roots: Vec<_> = (0..64).map(|_| CancellationToken::new()).collect();
    let stripe = |token: &CancellationToken| token.node.state().stripe();
    let stripes: std::collections::HashSet<_> = roots.iter().map(stripe).collect();
    assert!(stripes.len() >= 8, "{} locks for 64 trees", stripes.len());
    assert!(roots.iter().all(|root| stripe(&root.child_token()) == stripe(root)));
}

#[test]
fn a_token_is_unshared_until_somebody_holds_it_hangs_on_it_or_waits_for_it() {
    let token = CancellationToken::new();
    assert!(token.is_unshared());
    let clone = token.clone();
    assert!(!token.is_unshared());
    drop(clone);
    assert!(token.is_unshared());
    let child = token.child_token();
    assert!(!token.is_unshared());
    drop(child);
    assert!(token.is_unshared());
    let callback = token.on_cancel(|_| ());
    assert!(!token.is_unshared());
    drop(callback);
    assert!(token.is_unshared());
}

/// Who drops the last handle of a node that others may reach does so under the lock (T2).
#[test]
fn a_node_is_known_once_it_has_a_parent_a_child_or_a_way_back() {
    let is_known = |token: &CancellationToken| token.node.state().is_known();
    let [lone, parent, found] = [(); 3].map(|()| CancellationToken::new());
    let child = parent.child_token();
    let _way_back = found.node.downgrade();
    assert_eq!(
        [&lone, &parent, &child, &found].map(is_known),
        [false, true, true, true]
    );
}

#[test]
fn the_way_back_to_a_cancelled_node_leads_nowhere_though_it_is_held() {
    let token = CancellationToken::new();
    let way_back = token.node.downgrade();
    assert!(way_back.upgrade().is_some());
    token.cancel();
    assert!(way_back.upgrade().is_none());
}
