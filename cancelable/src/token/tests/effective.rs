//! How many nodes are asked for an effective deadline.

use std::time::{Duration, Instant};

use super::super::handle::{CancellationToken, ChildOptions};
use super::ASKED;

const LEVELS: usize = 20_000;

/// Tokens, each the child of the one before.
fn chain(root: &CancellationToken) -> Vec<CancellationToken> {
    std::iter::successors(Some(root.clone()), |token| Some(token.child_token()))
        .take(LEVELS)
        .collect()
}

fn asked(f: impl FnOnce()) -> usize {
    let before = ASKED.get();
    f();
    ASKED.get() - before
}

#[test]
fn the_deadline_of_a_token_linked_to_every_level_of_a_deep_tree_asks_each_level_once() {
    let root = CancellationToken::new();
    let at = Instant::now() + Duration::from_secs(3600);
    root.cancel_at(at);
    let levels = chain(&root);
    for linked in [CancellationToken::any(&levels), CancellationToken::all(&levels)] {
        assert_eq!(asked(|| assert_eq!(linked.deadline(), Some(at))), LEVELS + 1);
        assert_eq!(asked(|| assert!(linked.remaining().is_some())), LEVELS + 1);
    }
    // Whichever end it begins at.
    let downwards = CancellationToken::any(levels.iter().rev());
    assert_eq!(asked(|| assert_eq!(downwards.deadline(), Some(at))), LEVELS + 1);
}

#[test]
fn a_chain_of_links_that_all_lead_into_one_deep_tree_asks_each_token_once() {
    let root = CancellationToken::new();
    let at = Instant::now() + Duration::from_secs(3600);
    root.cancel_at(at);
    let levels = chain(&root);
    let mut linked = vec![CancellationToken::new()];
    for level in &levels {
        let both = CancellationToken::any([&linked[linked.len() - 1], level]);
        linked.push(both);
    }
    let last = &linked[linked.len() - 1];
    assert_eq!(asked(|| assert_eq!(last.deadline(), Some(at))), 2 * LEVELS + 1);
}

#[test]
fn a_tree_that_listens_at_every_level_asks_each_token_once() {
    let source = CancellationToken::new();
    let at = Instant::now() + Duration::from_secs(3600);
    source.cancel_at(at);
    let links = || ChildOptions {
        links: vec![source.clone()],
        ..ChildOptions::default()
    };
    let mut token = CancellationToken::new();
    for _ in 0..LEVELS {
        token = token.child_with(links());
    }
    assert_eq!(asked(|| assert_eq!(token.deadline(), Some(at))), LEVELS + 1);
}

#[test]
fn without_links_no_more_is_done_than_a_walk_to_the_root() {
    let root = CancellationToken::new();
    let last = chain(&root).pop().unwrap();
    assert_eq!(asked(|| assert_eq!(last.deadline(), None)), 0);
    let at = Instant::now() + Duration::from_secs(3600);
    root.cancel_at(at);
    assert_eq!(asked(|| assert_eq!(last.deadline(), Some(at))), 0);
}

#[test]
fn all_waits_no_more_for_a_source_that_is_cancelled() {
    let (a, b) = (CancellationToken::new(), CancellationToken::new());
    let both = CancellationToken::all([&a, &b]);
    let at = Instant::now() + Duration::from_secs(3600);
    b.cancel_at(at);
    assert_eq!(both.deadline(), None);
    a.cancel();
    assert_eq!(both.deadline(), Some(at));
}

#[test]
fn a_source_that_can_never_be_cancelled_has_no_deadline() {
    let a = CancellationToken::new();
    let at = Instant::now() + Duration::from_secs(3600);
    a.cancel_at(at);
    let never = CancellationToken::never();
    assert_eq!(CancellationToken::any([&a, &never]).deadline(), Some(at));
    assert_eq!(CancellationToken::all([&a, &never]).deadline(), None);
}

#[test]
fn ancestors_that_nobody_holds_are_passed_by() {
    let root = CancellationToken::new();
    let at = Instant::now() + Duration::from_secs(3600);
    root.cancel_at(at);
    let fork = root.child_token();
    let leaves = [fork.child_token(), fork.child_token()];
    drop(fork);
    assert_eq!(CancellationToken::any(&leaves).deadline(), Some(at));
    assert_eq!(CancellationToken::all(&leaves).deadline(), Some(at));
}
