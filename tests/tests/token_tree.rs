//! L7: trees a million wide and a million deep, in all orders of dropping, on a stack of 256 KiB.

use std::thread;

use cancelable::CancellationToken;

const MILLION: usize = 1_000_000;

/// Runs `f` on a stack that no recursion over a big tree fits on.
fn on_a_small_stack(f: impl FnOnce() + Send) {
    thread::scope(|s| {
        let small = thread::Builder::new().stack_size(256 * 1024);
        small.spawn_scoped(s, f).unwrap().join().unwrap();
    });
}

/// The handles of a chain, root first.
fn chain(depth: usize) -> Vec<CancellationToken> {
    let root = Some(CancellationToken::new());
    std::iter::successors(root, |token| Some(token.child_token()))
        .take(depth)
        .collect()
}

/// A shuffle that needs no dependency: a step that shares no factor with the length visits everything once.
fn scattered<T>(items: Vec<T>) -> Vec<T> {
    let n = items.len();
    let step = 618_033_989 % n;
    assert_eq!(gcd(step, n), 1, "pick another step");
    let mut slots: Vec<_> = items.into_iter().map(Some).collect();
    (0..n).map(|i| slots[i * step % n].take().unwrap()).collect()
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[test]
fn l07_deep_cancelled_from_the_root() {
    on_a_small_stack(|| {
        let tokens = chain(MILLION);
        tokens[0].cancel();
        assert!(tokens.iter().all(CancellationToken::is_cancelled));
        assert!(!tokens[0].is_inherited() && tokens[1..].iter().all(CancellationToken::is_inherited));
    });
}

#[test]
fn l07_deep_cancelled_in_the_middle() {
    on_a_small_stack(|| {
        let tokens = chain(MILLION);
        let (above, below) = tokens.split_at(MILLION / 2);
        below[0].cancel();
        assert!(below.iter().all(CancellationToken::is_cancelled));
        assert!(!above.iter().any(CancellationToken::is_cancelled));
    });
}

#[test]
fn l07_deep_dropped_root_first() {
    on_a_small_stack(|| chain(MILLION).into_iter().for_each(drop));
}

#[test]
fn l07_deep_dropped_leaf_first() {
    on_a_small_stack(|| chain(MILLION).into_iter().rev().for_each(drop));
}

#[test]
fn l07_deep_dropped_all_over_the_place() {
    on_a_small_stack(|| scattered(chain(MILLION - 1)).into_iter().for_each(drop));
}

#[test]
fn l07_deep_with_branches_dropped_from_the_trunk_down_and_then_branch_by_branch() {
    on_a_small_stack(|| {
        let trunk = chain(MILLION / 2);
        let branches: Vec<_> = trunk.iter().map(CancellationToken::child_token).collect();
        let root = trunk[0].clone();
        trunk.into_iter().for_each(drop);
        let (gone, kept): (Vec<_>, Vec<_>) = branches.into_iter().enumerate().partition(|(i, _)| i % 3 == 0);
        gone.into_iter().rev().for_each(drop);
        root.cancel();
        assert!(kept.iter().all(|(_, branch)| branch.is_cancelled()));
    });
}

#[test]
fn l07_deep_with_only_the_ends_held() {
    on_a_small_stack(|| {
        let root = CancellationToken::new();
        let mut leaf = root.child_token();
        for _ in 0..MILLION {
            leaf = leaf.child_token();
        }
        root.cancel();
        assert!(leaf.is_cancelled());
    });
}

#[test]
fn l07_wide_cancelled() {
    on_a_small_stack(|| {
        let root = CancellationToken::new();
        let children: Vec<_> = (0..MILLION).map(|_| root.child_token()).collect();
        root.cancel();
        assert!(children.iter().all(CancellationToken::is_cancelled));
    });
}

#[test]
fn l07_wide_dropped_in_all_orders() {
    let orders: [fn(Vec<CancellationToken>) -> Vec<CancellationToken>; 3] =
        [|v| v, |v| v.into_iter().rev().collect(), scattered];
    for order in orders {
        for root_first in [true, false] {
            on_a_small_stack(move || {
                let root = CancellationToken::new();
                let mut children = order((1..MILLION).map(|_| root.child_token()).collect());
                if root_first {
                    drop(root);
                    let rest = children.split_off(MILLION / 2);
                    children.into_iter().for_each(drop);
                    assert!(!rest.iter().any(CancellationToken::is_cancelled));
                } else {
                    let rest = children.split_off(MILLION / 2);
                    children.into_iter().for_each(drop);
                    root.cancel();
                    assert!(rest.iter().all(CancellationToken::is_cancelled));
                }
            });
        }
    }
}

#[test]
fn l07_a_chain_of_links_a_million_long() {
    on_a_small_stack(|| {
        let first = CancellationToken::new();
        let mut last = CancellationToken::any([&first]);
        for i in 0..MILLION {
            last = if i % 2 == 0 {
                CancellationToken::all([&last])
            } else {
                CancellationToken::any([&last])
            };
        }
        assert!(last.deadline().is_none());
        first.cancel();
        assert!(last.is_cancelled() && last.is_inherited());
    });
}

#[test]
fn l07_a_chain_of_links_a_million_long_dropped_uncancelled() {
    on_a_small_stack(|| {
        let first = CancellationToken::new();
        let mut last = first.clone();
        for _ in 0..MILLION {
            last = CancellationToken::any([&last.child_token()]).child_token();
        }
        drop(last);
        assert!(!first.is_cancelled());
    });
}

#[test]
fn l07_a_million_sources_and_a_million_tokens_linked_to_one() {
    on_a_small_stack(|| {
        let sources: Vec<_> = (0..MILLION).map(|_| CancellationToken::new()).collect();
        let any = CancellationToken::any(&sources);
        let all = CancellationToken::all(&sources);
        sources[MILLION / 2].cancel();
        assert!(any.is_cancelled() && !all.is_cancelled());
        sources.iter().for_each(CancellationToken::cancel);
        assert!(all.is_cancelled());

        let source = CancellationToken::new();
        let linked: Vec<_> = (0..MILLION).map(|_| CancellationToken::any([&source])).collect();
        source.cancel();
        assert!(linked.iter().all(CancellationToken::is_cancelled));
    });
}

#[test]
fn l07_a_cancel_detaches_what_is_below_so_that_later_drops_are_cheap() {
    on_a_small_stack(|| {
        let root = CancellationToken::new();
        let tokens = chain(1_000);
        let below = tokens[999].child_token();
        tokens[0].cancel();
        assert!(format!("{:?}", tokens[0]).contains("is_cancelled: true"));
        drop(tokens);
        assert!(below.is_cancelled() && !root.is_cancelled());
    });
}
