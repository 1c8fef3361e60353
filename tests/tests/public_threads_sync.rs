//! As `public_threads.rs`, for code that does not await: rayon, scoped threads, sorts, searches.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::Duration;

use cancelable::rayon::{self as scoped, ParallelIteratorExt as _};
use cancelable::{
    CancellationToken, Cancelled, Context, IteratorExt as _, Scope, cancelable, check, check_unwinding, current,
    is_cancelled, thread, unwinding,
};
use futures::{FutureExt as _, StreamExt as _, pin_mut, select};
use rayon::prelude::*;

fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// <https://github.com/rayon-rs/rayon/issues/1067>, <https://github.com/rayon-rs/rayon/issues/1209>: `find_map_any` has found what is
/// looked for, and yet waits for searches that "may run indefinitely".
#[test]
fn what_has_been_found_ends_the_searches_that_run() {
    #[cancelable]
    fn search(n: u32) -> Result<Option<u32>, Cancelled> {
        loop {
            if n == 5 {
                return Ok(Some(n));
            }
        }
    }
    // Two threads, and the first item of each half runs for ever unless it is told.
    let found: Result<u32, Cancelled> = pool(3).install(|| {
        Scope::new().run_sync(|| {
            let token = current();
            let search = |n: Result<u32, Cancelled>| {
                let found = search(n.ok()?).ok()??;
                token.cancel_with("found");
                Some(found)
            };
            Ok((4..7_u32)
                .into_par_iter()
                .with_max_len(1)
                .until_cancelled()
                .find_map_any(search)
                .unwrap())
        })
    });
    assert_eq!(found.unwrap(), 5);
}

/// <https://github.com/rayon-rs/rayon/issues/678>: strings in order of promise, as many as there is time for.
#[test]
fn ordered_candidates_are_gone_through_as_far_as_the_time_allows() {
    let words: Vec<String> = (0..1_000_000).map(|n| n.to_string()).collect();
    // With one thread their order is that of the words.
    let produced: Vec<usize> = pool(1).install(|| {
        Scope::new().run_anyway_sync(|| {
            let token = current();
            words
                .par_iter()
                .take_until_cancelled()
                .map(|word| {
                    if word == "1000" {
                        token.cancel_with("the time is over");
                    }
                    word.len()
                })
                .collect()
        })
    });
    assert_eq!(produced.len(), 1001);
    assert_eq!(produced[..11], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2]);
}

/// <https://github.com/rayon-rs/rayon/issues/1014>: an HTTP handler hands heavy work to rayon, its timeout passes, and rayon goes on
/// "until the bitter kill signal".
#[test]
fn work_that_a_handler_has_handed_to_rayon_ends_with_the_handler() {
    #[cancelable]
    fn heavy(started: &mpsc::Sender<()>) -> Result<(), Cancelled> {
        started.send(()).unwrap();
        loop {
            std::hint::spin_loop();
        }
    }
    let (started, has_started) = mpsc::channel();
    let (ended, has_ended) = mpsc::channel();
    let mut handler = Box::pin(Scope::new().name("GET /").run(async move {
        let (sender, result) = futures::channel::oneshot::channel();
        scoped::spawn(move || {
            let outcome = heavy(&started);
            ended.send(outcome.unwrap_err()).unwrap();
            sender.send(()).ok();
        });
        result.await.ok();
        Ok::<_, Cancelled>(())
    }));
    assert!(handler.as_mut().now_or_never().is_none());
    has_started.recv().unwrap();
    // What a `tower` timeout does.
    drop(handler);
    assert_eq!(has_ended.recv().unwrap().scope_name(), Some("GET /"));
}

/// <https://github.com/near/nearcore/issues/9441>, <https://github.com/rayon-rs/rayon/issues/1018>: spans have the wrong parents, for a
/// worker that waits in one block's `scope` takes up another block's work.
#[test]
fn l18_blocks_that_share_a_pool_do_not_get_into_each_other() {
    #[cancelable]
    fn apply_chunk(block: &CancellationToken) -> Result<(), Cancelled> {
        assert_eq!(current(), *block);
        Ok(())
    }
    fn apply_block(block: &CancellationToken) {
        block.sync_scope(|| {
            scoped::scope(|s| {
                for _ in 0..50 {
                    s.spawn(|_| apply_chunk(block).unwrap());
                }
            });
            assert_eq!(current(), *block);
        });
    }
    let blocks: Vec<CancellationToken> = (0..20).map(|_| CancellationToken::new()).collect();
    pool(2).scope(|s| {
        for block in &blocks {
            s.spawn(move |_| apply_block(block));
        }
    });
}

/// <https://github.com/crossbeam-rs/crossbeam/issues/196>: a producer and a consumer in a scope; one panics, and "the entire thing
/// deadlocks permanently".
#[test]
fn l21_a_consumer_does_not_wait_for_a_producer_that_has_panicked() {
    let (keeps_open, jobs) = flume::unbounded::<u32>();
    let panic = catch_unwind(AssertUnwindSafe(|| {
        thread::scope(|s| {
            s.spawn(|| {
                keeps_open.send(1).unwrap();
                assert!(keeps_open.is_full(), "the producer is broken");
                Ok::<(), Cancelled>(())
            });
            s.spawn(|| {
                let mut sum = 0;
                // The sender is alive, outside of the scope.
                while let Ok(n) = thread::block_on(jobs.recv_async())? {
                    sum += n;
                }
                Ok(sum)
            });
            Ok::<(), Cancelled>(())
        })
    }));
    assert_eq!(
        *panic.unwrap_err().downcast::<&str>().unwrap(),
        "the producer is broken"
    );
}

/// <https://github.com/edre/minimax-rs/issues/7>: a search with a time limit and a stop button, which answers with its best move so far.
#[test]
fn a_search_answers_with_its_best_so_far_when_it_is_stopped_or_late() {
    /// The best move, and whether the stop came from outside.
    fn choose_move(limit: Duration, on_round: impl Fn(u32)) -> u32 {
        Scope::new().timeout(limit).run_anyway_sync(|| {
            let mut best = 0;
            for depth in (1..).take_until_cancelled() {
                best = depth;
                on_round(depth);
            }
            best
        })
    }
    let stop = CancellationToken::new();
    let stopped = stop.sync_scope(|| {
        choose_move(Duration::MAX, |depth| {
            if depth == 12 {
                stop.cancel();
            }
        })
    });
    assert_eq!(stopped, 12);
    assert!(choose_move(Duration::from_millis(2), |_| ()) > 0);
    assert_eq!(choose_move(Duration::ZERO, |_| ()), 0);
    assert!(!is_cancelled());
}

/// <https://github.com/StarRocks/starrocks/issues/1961>: a large sort cannot be cancelled.
#[test]
fn a_large_sort_can_be_cancelled() {
    let mut rows: Vec<u64> = (0..1_000_000_u64)
        .map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .collect();
    let begun = Arc::new(Barrier::new(2));
    let token = CancellationToken::new();
    let canceller = {
        let (token, begun) = (token.clone(), Arc::clone(&begun));
        std::thread::spawn(move || {
            begun.wait();
            token.cancel_with("the client is gone");
        })
    };
    let (is_first, compared) = (AtomicBool::new(true), AtomicUsize::new(0));
    let outcome = token.sync_scope(|| {
        unwinding(|| {
            let context = Context::current();
            pool(2).install(|| {
                rows.par_sort_by(|a, b| {
                    if is_first.swap(false, Ordering::Relaxed) {
                        begun.wait();
                        token.wait();
                    }
                    compared.fetch_add(1, Ordering::Relaxed);
                    context.run(check_unwinding);
                    a.cmp(b)
                });
            });
        })
    });
    canceller.join().unwrap();
    assert_eq!(outcome.unwrap_err().reason().to_string(), "the client is gone");
    assert!(compared.into_inner() < 20_000_000);
    assert_eq!(rows.len(), 1_000_000);
}

/// <https://github.com/zed-industries/zed/pull/22525>: a fuzzy match over many candidates, on several threads, that is obsolete with the
/// next key press; its parts looked at the flag now and then, and the aggregation did not.
#[test]
fn l24_an_obsolete_match_ends_in_all_its_parts_and_gives_no_half_result() {
    #[cancelable]
    fn score(candidate: &str, query: &str) -> Result<usize, Cancelled> {
        Ok(candidate.matches(query).count())
    }
    fn match_all(candidates: &[String], query: &str) -> Result<Vec<usize>, Cancelled> {
        let parts = Mutex::new(Vec::new());
        thread::scope(|s| {
            for part in candidates.chunks(100) {
                let parts = &parts;
                s.spawn(move || {
                    let scores: Result<Vec<usize>, Cancelled> =
                        part.iter().map(|candidate| score(candidate, query)).collect();
                    parts.lock().unwrap().extend(scores?);
                    Ok(())
                });
            }
            Ok::<(), Cancelled>(())
        })?;
        check()?;
        let mut scores = parts.into_inner().unwrap();
        unwinding(|| {
            scores.sort_by(|a, b| {
                check_unwinding();
                b.cmp(a)
            });
        })?;
        Ok(scores)
    }
    let candidates: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let scores = match_all(&candidates, "7").unwrap();
    assert_eq!((scores.len(), scores[0]), (1000, 3));
    let next_key = CancellationToken::new();
    next_key.cancel();
    assert!(next_key.sync_scope(|| match_all(&candidates, "77")).is_err());
}

/// <https://github.com/tokio-rs/tokio/pull/6618>: "it would require `WaitForCancellationFuture` to implement `FusedFuture`".
#[test]
fn run_until_cancelled_can_be_written_with_the_select_of_futures() {
    async fn run_until_cancelled<F: Future>(token: &CancellationToken, future: F) -> Option<F::Output> {
        let (cancelled, future) = (token.cancelled(), future.fuse());
        pin_mut!(cancelled, future);
        select! {
            output = future => Some(output),
            () = cancelled => None,
        }
    }
    tests::on_every_runtime(|| async {
        let token = CancellationToken::new();
        assert_eq!(run_until_cancelled(&token, async { 7 }).await, Some(7));
        let mut numbers = futures::stream::pending::<u32>();
        let (cut, ()) = futures::join!(run_until_cancelled(&token, numbers.next()), async { token.cancel() });
        assert_eq!(cut, None);
    });
}
