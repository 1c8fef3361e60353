//! Thread pools that this library does not know: rayon's, with the token taken along.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cancelable::{
    CancelReason, CancellationToken, Cancelled, ReasonKind, Scope, cancelable, check, current, propagate, propagate_fn,
};
use rayon::prelude::*;

/// A pool of its own, so that there are several threads wherever this runs.
fn pool() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap()
}

#[test]
fn both_sides_of_a_join_have_the_token() {
    let token = CancellationToken::new();
    let pool = pool();
    token.sync_scope(|| {
        let (left, right) = pool.join(propagate(current), propagate(current));
        assert_eq!((left, right), (token.clone(), token.clone()));
    });
    // Without it, they have none: the work is done elsewhere.
    let outside = token.sync_scope(|| pool.join(current, current));
    assert_eq!(outside, (CancellationToken::never(), CancellationToken::never()));
}

#[test]
fn a_cancel_by_one_side_of_a_join_ends_the_other() {
    let stopped: Result<(), Cancelled> = Scope::new().run_sync_with(|token| {
        let (endless, ()) = pool().join(
            propagate(|| -> Result<(), Cancelled> {
                loop {
                    check()?;
                }
            }),
            || assert!(token.cancel_with(CancelReason::condition("the other side has found it"))),
        );
        endless
    });
    assert_eq!(stopped.unwrap_err().kind(), ReasonKind::Condition);
}

#[test]
fn a_parallel_iterator_ends_early_when_the_token_is_cancelled() {
    const ITEMS: usize = 1_000_000;
    let done = AtomicUsize::new(0);
    let result: Result<(), Cancelled> = Scope::new().name("index").run_sync_with(|token| {
        pool().install(propagate(|| {
            (0..ITEMS).into_par_iter().try_for_each(propagate_fn(|n: usize| {
                check()?;
                if n == ITEMS / 2 {
                    token.cancel_with("enough");
                    check()?;
                }
                done.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }))
        }))
    });
    let cancelled = result.unwrap_err();
    assert_eq!(cancelled.reason().to_string(), "enough (scope \"index\")");
    assert_eq!(cancelled.scope_path().to_string(), "index", "the name went along");
    assert!(done.load(Ordering::Relaxed) < ITEMS);
}

#[test]
fn a_deadline_ends_a_parallel_iterator_whose_items_are_endless() {
    let result: Result<(), Cancelled> = Scope::new().timeout(Duration::from_millis(5)).run_sync(|| {
        let work = propagate_fn(|_: u32| -> Result<(), Cancelled> {
            loop {
                check()?;
            }
        });
        pool().install(|| (0..8).into_par_iter().try_for_each(work))
    });
    assert!(result.unwrap_err().is_timeout());
}

#[test]
fn without_a_cancel_everything_is_done_and_every_item_sees_the_token() {
    let token = CancellationToken::new();
    let items: Vec<u64> = (0..10_000).collect();
    let sum = token.sync_scope(|| {
        pool().install(propagate(|| {
            items
                .par_iter()
                .map(propagate_fn(|n: &u64| -> Result<u64, Cancelled> {
                    check()?;
                    assert_eq!(current(), token);
                    Ok(*n)
                }))
                .try_reduce(|| 0, |a, b| Ok(a + b))
        }))
    });
    assert_eq!(sum.unwrap(), 9_999 * 10_000 / 2);
    assert_eq!(current(), CancellationToken::never());
}

/// What the loop of an annotated function cannot reach, its closure does by hand: closures are not touched.
#[cancelable]
fn total(items: &[u64]) -> Result<u64, Cancelled> {
    let token = current();
    items
        .par_iter()
        .map(|n| token.sync_scope(|| check().map(|()| *n)))
        .try_reduce(|| 0, |a, b| Ok(a + b))
}

#[test]
fn the_token_can_be_made_ambient_by_hand() {
    let items: Vec<u64> = (1..=100).collect();
    assert_eq!(total(&items).unwrap(), 5050);
    let token = CancellationToken::new();
    assert_eq!(token.sync_scope(|| total(&items)).unwrap(), 5050);
    token.cancel();
    assert!(token.sync_scope(|| total(&items)).is_err());
}

#[test]
fn spawned_work_and_scopes_of_rayon_take_the_token_along() {
    let token = CancellationToken::new();
    let (sender, receiver) = std::sync::mpsc::channel();
    let seen = Mutex::new(Vec::new());
    let pool = pool();
    token.sync_scope(|| {
        pool.spawn(propagate(move || sender.send(current()).unwrap()));
        let note = propagate_fn(|n: u32| seen.lock().unwrap().push((n, current())));
        pool.scope(|s| {
            for n in 0..3 {
                let note = &note;
                s.spawn(move |_| note(n));
            }
        });
    });
    assert_eq!(receiver.recv().unwrap(), token);
    let seen: HashSet<(u32, CancellationToken)> = seen.into_inner().unwrap().into_iter().collect();
    assert_eq!(seen, (0..3).map(|n| (n, token.clone())).collect());
}

#[test]
fn l20_what_was_wrapped_outside_every_scope_sees_no_token_wherever_it_is_called() {
    // As on a thread of a pool that waits within a scope, and meanwhile does other people's work.
    let work = propagate(current);
    let token = CancellationToken::new();
    assert_eq!(token.sync_scope(work), CancellationToken::never());
}

#[test]
fn l20_work_of_several_scopes_on_one_pool_does_not_mix() {
    // A worker that waits for one half of a `join` meanwhile steals work of others, on top of its own stack.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
    fn halve(depth: u32, mine: &CancellationToken) {
        assert_eq!(current(), *mine);
        if depth > 0 {
            rayon::join(
                propagate(|| halve(depth - 1, mine)),
                propagate(|| halve(depth - 1, mine)),
            );
            assert_eq!(current(), *mine);
        }
    }
    let scoped: Vec<CancellationToken> = (0..3).map(|_| CancellationToken::new()).collect();
    let nowhere = CancellationToken::never();
    pool.scope(|s| {
        for token in scoped.iter().chain([&nowhere]) {
            s.spawn(move |_| {
                // Wrapped here, where a worker may be within another scope: so first its own.
                token.sync_scope(|| halve(8, token));
            });
        }
    });
}
