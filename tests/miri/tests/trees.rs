//! Random operations on random trees, with links.

use std::sync::Arc;
use std::task::Waker;

use cancelable::CancellationToken;
use miri_tests::{Count, World, poll, sized};

#[test]
fn l26_random_trees() {
    for seed in 0..sized(6, 400) {
        let mut world = World::random(seed, false);
        for token in &world.tokens {
            token.cancel();
            assert!(token.is_cancelled() && token.reason().is_some());
        }
        // Others may be on tokens whose last handle they are.
        let woken = world.ran.get();
        world
            .waiting
            .retain_mut(|future| poll(future.as_mut(), Waker::noop()).is_pending());
        drop(world.waiting);
        assert_eq!(world.ran.get(), woken, "what goes runs nothing");
    }
}

/// The second child of any parent, which is where pointers to the first are used.
#[test]
fn l26_siblings_come_and_go_in_every_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let parent = CancellationToken::new();
        let mut children: Vec<_> = (0..3).map(|_| Some(parent.child_token())).collect();
        let grandchild = children[1].as_ref().map(CancellationToken::child_token);
        for n in order {
            children[n] = None;
        }
        let late = parent.child_token();
        parent.cancel();
        assert!(late.is_cancelled() && grandchild.is_some_and(|token| token.is_cancelled()));
    }
}

#[test]
fn l26_a_detached_callback_runs_and_is_freed_wherever_it_has_gone() {
    let root = CancellationToken::new();
    let ran = Count::new();
    let count = |token: &CancellationToken| {
        let ran = Arc::clone(&ran);
        token.on_cancel(move |_| ran.up()).detach();
    };
    let middle = root.child_token();
    let leaf = middle.child_token();
    count(&root);
    count(&middle);
    count(&leaf);
    drop(leaf);
    drop(middle);
    root.cancel();
    assert_eq!(ran.get(), 3);
    // And one that nobody can cause any more is freed unrun.
    count(&CancellationToken::new());
    assert_eq!(ran.get(), 3);
}

#[test]
fn l03_links_in_chains_fans_and_diamonds() {
    let source = CancellationToken::new();
    let mut chain = vec![CancellationToken::any([&source])];
    for n in 0..sized(20, 2_000) {
        let next = match n % 3 {
            0 => CancellationToken::any([&chain[n]]),
            1 => CancellationToken::any([&chain[n], &source]).child_token(),
            _ => CancellationToken::all([&chain[n], &chain[n / 2], &source]),
        };
        chain.push(next);
    }
    let fan: Vec<_> = (0..sized(20, 2_000))
        .map(|_| CancellationToken::any([&source]))
        .collect();
    source.cancel_with("source");
    for token in chain.iter().chain(&fan) {
        assert_eq!(token.reason().unwrap().message(), Some("source"));
        assert!(token.is_inherited());
    }
}
