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

// `cancelable::rayon` ------------------------------------------------------------------------------------------------

use std::sync::Arc;
use std::sync::mpsc;

use cancelable::rayon::{self as scoped, ParallelIteratorExt as _};
use cancelable::{Context, check_unwinding, unwinding};
use futures::channel::oneshot;

/// A pool of two, of which one is the worker that waits, and one takes the other's half and keeps it.
fn pair() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap()
}

/// Has a worker wait inside a scope, by `wait`, for a job on the other worker, and gives what the job of a stranger sees that the
/// waiting one takes up meanwhile.
///
/// `wait` is handed what to do before it waits, and the job to wait for.
fn seen_by_a_stranger(wait: impl FnOnce(&(dyn Fn() + Sync), &(dyn Fn() + Sync)) + Send) -> CancellationToken {
    let pool = pair();
    let (seen, stranger_has_run) = mpsc::channel();
    let stranger_has_run = Mutex::new(stranger_has_run);
    let result = Mutex::new(None);
    let (started, has_started) = mpsc::channel();
    let has_started = Mutex::new(has_started);
    let pool = &pool;
    let before = || {
        has_started.lock().unwrap().recv().unwrap();
        // The other worker is busy: nobody but this one can run it.
        let seen = seen.clone();
        pool.spawn(move || seen.send(current()).unwrap());
    };
    let job = || {
        started.send(()).unwrap();
        *result.lock().unwrap() = Some(stranger_has_run.lock().unwrap().recv().unwrap());
    };
    pool.install(|| CancellationToken::new().sync_scope(|| wait(&before, &job)));
    result.into_inner().unwrap().unwrap()
}

#[test]
fn l18_a_plain_join_lends_the_scope_to_strangers_and_ours_does_not() {
    let lent = seen_by_a_stranger(|before, job| {
        rayon::join(before, job);
    });
    assert_ne!(
        lent,
        CancellationToken::never(),
        "rayon has changed: say so in docs/limits.md"
    );
    let seen = seen_by_a_stranger(|before, job| {
        scoped::join(before, job);
    });
    assert_eq!(seen, CancellationToken::never());
}

#[test]
fn l18_a_scope_that_waits_for_its_jobs_does_not_lend_itself() {
    let seen = seen_by_a_stranger(|before, job| {
        scoped::scope(|s| {
            s.spawn(|_| job());
            before();
        });
    });
    assert_eq!(seen, CancellationToken::never());
}

#[test]
fn l18_a_parallel_iterator_that_waits_for_the_other_half_does_not_lend_the_scope() {
    let seen = seen_by_a_stranger(|before, job| {
        [true, false]
            .into_par_iter()
            .until_cancelled()
            .for_each(|is_first| match is_first {
                Ok(true) => before(),
                Ok(false) => job(),
                Err(error) => panic!("{error}"),
            });
    });
    assert_eq!(seen, CancellationToken::never());
}

#[test]
fn l20_jobs_of_all_kinds_have_the_token_the_name_and_the_grace_of_the_place_that_gives_them() {
    let pool = pool();
    let seen = Mutex::new(Vec::new());
    let note = || {
        let context = Context::current();
        seen.lock().unwrap().push((
            context.token().clone(),
            context.name().map(str::to_owned),
            context.grace(),
        ));
    };
    let scope = Scope::new().name("index").grace(Duration::from_secs(1));
    let (token, spawned) = scope.run_anyway_sync(|| {
        scoped::install(&pool, || {
            scoped::join(note, note);
            scoped::scope(|s| {
                note();
                s.spawn(|s| {
                    note();
                    s.spawn(|_| note());
                });
            });
            (0..2).into_par_iter().take_until_cancelled().for_each(|_| note());
        });
        let (sender, spawned) = mpsc::channel();
        scoped::spawn(move || sender.send(Context::current().name().map(str::to_owned)).unwrap());
        (current(), spawned)
    });
    assert_eq!(spawned.recv().unwrap().as_deref(), Some("index"));
    let expected = (token, Some("index".to_owned()), Some(Duration::from_secs(1)));
    assert_eq!(seen.into_inner().unwrap(), vec![expected; 7]);
}

#[test]
fn a_job_has_the_scope_of_the_place_that_spawns_it_not_of_the_rayon_scope() {
    let pool = pool();
    let [outer, inner] = [(); 2].map(|()| CancellationToken::new());
    let seen = Mutex::new(None);
    outer.sync_scope(|| {
        scoped::install(&pool, || {
            scoped::scope(|s| inner.sync_scope(|| s.spawn(|_| *seen.lock().unwrap() = Some(current()))));
            assert_eq!(current(), outer);
        });
    });
    assert_eq!(seen.into_inner().unwrap(), Some(inner));
}

#[test]
fn l20_work_of_several_scopes_on_one_pool_does_not_mix_also_where_only_ours_is_used() {
    let pool = pair();
    fn halve(depth: u32, mine: &CancellationToken) {
        assert_eq!(current(), *mine);
        if depth > 0 {
            scoped::join(|| halve(depth - 1, mine), || halve(depth - 1, mine));
            assert_eq!(current(), *mine);
        }
    }
    let tokens: Vec<CancellationToken> = (0..3).map(|_| CancellationToken::new()).collect();
    pool.scope(|s| {
        for token in &tokens {
            s.spawn(move |_| token.sync_scope(|| halve(8, token)));
        }
        // And plain jobs, which see no scope at all.
        for _ in 0..100 {
            s.spawn(|_| assert_eq!(current(), CancellationToken::never()));
        }
    });
}

#[test]
fn l21_a_panic_of_a_job_passes_and_the_scope_is_back_in_place() {
    let pool = pair();
    let token = CancellationToken::new();
    pool.install(|| {
        token.sync_scope(|| {
            let panics = std::panic::catch_unwind(|| scoped::join(|| (), || panic!("on purpose")));
            assert_eq!(*panics.unwrap_err().downcast::<&str>().unwrap(), "on purpose");
            assert_eq!(current(), token);
        });
    });
}

#[test]
fn a_cut_parallel_iterator_gives_one_error_and_begins_nothing_new() {
    const ITEMS: usize = 1_000_000;
    let pool = pool();
    for cut_at in [0, 1, ITEMS / 2] {
        let (taken, errors) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let token = CancellationToken::new();
        token.sync_scope(|| {
            scoped::install(&pool, || {
                (0..ITEMS)
                    .into_par_iter()
                    .until_cancelled()
                    .for_each(|item| match item {
                        Ok(n) => {
                            taken.fetch_add(1, Ordering::Relaxed);
                            if n == cut_at {
                                token.cancel_with("enough");
                            }
                        }
                        Err(error) => {
                            assert_eq!(error.reason().to_string(), "enough");
                            errors.fetch_add(1, Ordering::Relaxed);
                        }
                    });
            });
        });
        assert_eq!(errors.into_inner(), 1, "though nothing downstream stops at it");
        assert!(taken.into_inner() < ITEMS);
    }
}

#[test]
fn l22_a_parallel_iterator_that_has_given_everything_is_complete() {
    // With one thread, so that the last item is the last.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let token = CancellationToken::new();
    let all: Result<Vec<u32>, Cancelled> = token.sync_scope(|| {
        scoped::install(&pool, || {
            let cancels_at_the_end = |n: Result<u32, Cancelled>| {
                if n.as_ref().is_ok_and(|n| *n == 99) {
                    token.cancel();
                }
                n
            };
            (0..100_u32)
                .into_par_iter()
                .until_cancelled()
                .map(cancels_at_the_end)
                .collect()
        })
    });
    assert!(token.is_cancelled());
    assert_eq!(all.unwrap().len(), 100);
}

#[test]
fn l9_under_a_cancelled_token_a_parallel_iterator_takes_nothing() {
    let taken = AtomicUsize::new(0);
    let token = CancellationToken::new();
    token.cancel();
    token.sync_scope(|| {
        let items = || {
            (0..1000)
                .into_par_iter()
                .inspect(|_| _ = taken.fetch_add(1, Ordering::Relaxed))
        };
        let cut: Result<Vec<i32>, Cancelled> = items().until_cancelled().collect();
        assert!(cut.is_err());
        assert_eq!(items().take_until_cancelled().count(), 0);
        assert!(
            items()
                .filter(|n| n % 2 == 0)
                .until_cancelled()
                .collect::<Result<Vec<_>, _>>()
                .is_err()
        );
        let empty: Result<Vec<i32>, Cancelled> = Vec::new().into_par_iter().until_cancelled().collect();
        assert!(empty.is_err() || empty.unwrap().is_empty());
    });
    assert_eq!(taken.into_inner(), 0);
}

#[test]
fn uncut_parallel_iterators_give_what_plain_ones_do_in_order() {
    let pool = pool();
    let items: Vec<u32> = (0..10_000).collect();
    let plain: Vec<u32> = items.iter().filter(|n| **n % 3 == 0).map(|n| n * 2).collect();
    let token = CancellationToken::new();
    token.sync_scope(|| {
        scoped::install(&pool, || {
            let silent: Vec<u32> = items
                .par_iter()
                .take_until_cancelled()
                .filter(|n| **n % 3 == 0)
                .map(|n| n * 2)
                .collect();
            assert_eq!(silent, plain);
            let upstream: Vec<u32> = items
                .par_iter()
                .filter(|n| **n % 3 == 0)
                .map(|n| n * 2)
                .take_until_cancelled()
                .collect();
            assert_eq!(upstream, plain);
            let fallible: Result<Vec<u32>, Cancelled> =
                items.par_iter().until_cancelled().map(|n| Ok(n? + 1)).collect();
            assert_eq!(fallible.unwrap().len(), items.len());
            let bridged: u64 = items
                .iter()
                .par_bridge()
                .take_until_cancelled()
                .map(|n| u64::from(*n))
                .sum();
            assert_eq!(bridged, items.iter().map(|n| u64::from(*n)).sum());
            let found = items
                .par_iter()
                .until_cancelled()
                .find_map_first(|n| n.ok().filter(|n| **n > 500));
            assert_eq!(found, Some(&501));
        });
    });
}

#[test]
fn a_deadline_ends_a_parallel_iterator_that_looks_at_nothing_itself() {
    let cut: Result<u64, Cancelled> = Scope::new().name("sum").timeout(Duration::from_millis(5)).run_sync(|| {
        (0..u64::MAX)
            .into_par_iter()
            .until_cancelled()
            .try_fold(|| 0_u64, |sum, n| Ok(sum.wrapping_add(n?)))
            .try_reduce(|| 0, |a, b| Ok(a.wrapping_add(b)))
    });
    let error = cut.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.scope_name(), Some("sum"));
}

#[test]
fn the_error_of_a_parallel_iterator_is_observed_at_the_line_of_the_call() {
    let token = CancellationToken::new();
    token.cancel();
    let line = line!() + 1;
    let cut = token.sync_scope(|| (0..3).into_par_iter().until_cancelled().collect::<Result<Vec<_>, _>>());
    let error = cut.unwrap_err();
    assert_eq!(
        (error.observed_at().file(), error.observed_at().line()),
        (file!(), line)
    );
}

#[test]
fn parallel_iterators_in_parallel_iterators_keep_their_scopes() {
    let pool = pool();
    let token = CancellationToken::new();
    token.sync_scope(|| {
        scoped::install(&pool, || {
            (0..64).into_par_iter().take_until_cancelled().for_each(|_| {
                assert_eq!(current(), token);
                let own = CancellationToken::new();
                own.sync_scope(|| {
                    (0..64)
                        .into_par_iter()
                        .take_until_cancelled()
                        .for_each(|_| assert_eq!(current(), own));
                });
                assert_eq!(current(), token);
            });
        });
    });
}

#[test]
fn what_unwinds_on_a_thread_of_the_pool_ends_where_it_is_caught() {
    let pool = pool();
    let token = CancellationToken::new();
    let mut numbers: Vec<u64> = (0..100_000).map(|n| n * 7919 % 100_003).collect();
    let compared = AtomicUsize::new(0);
    let outcome = token.sync_scope(|| {
        unwinding(|| {
            let context = Context::current();
            pool.install(|| {
                numbers.par_sort_by(|a, b| {
                    context.run(|| {
                        if compared.fetch_add(1, Ordering::Relaxed) == 1000 {
                            token.cancel_with("enough");
                        }
                        check_unwinding();
                        a.cmp(b)
                    })
                });
            });
        })
    });
    assert_eq!(outcome.unwrap_err().reason().to_string(), "enough");
    numbers.sort_unstable();
    let mut all: Vec<u64> = (0..100_000).map(|n| n * 7919 % 100_003).collect();
    all.sort_unstable();
    assert_eq!(numbers, all, "nothing is lost");
}

#[test]
fn l11_a_task_that_waits_for_a_job_of_rayon_is_told_of_its_end() {
    // The usual bridge from async code, with `spawn` for rayon's.
    tests::on_every_runtime(|| async {
        let token = CancellationToken::new();
        let (sender, result) = oneshot::channel();
        let has_begun = Arc::new(std::sync::Barrier::new(2));
        let begun = Arc::clone(&has_begun);
        token.sync_scope(|| {
            scoped::spawn(move || {
                begun.wait();
                let outcome: Result<(), Cancelled> = (|| loop {
                    check()?;
                })();
                drop(sender.send(outcome));
            });
        });
        has_begun.wait();
        token.cancel();
        assert!(result.await.unwrap().is_err());
    });
}
