//! `checkpoint().await`: a check that gives way.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use cancelable::{CancellationToken, Cancelled, Scope, checkpoint, guard};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tests::{CountingWaker, on_every_runtime, poll_once, poll_with};

type Outcome = Result<(), Cancelled>;

/// Runs on a thread of its own, whose calls nobody else counts.
fn on_a_fresh_thread(test: impl FnOnce() + Send + 'static) {
    std::thread::spawn(test)
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

async fn turns(turns: usize, done: Arc<AtomicUsize>) -> Outcome {
    for _ in 0..turns {
        checkpoint().await?;
        done.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

#[test]
fn every_64th_call_yields_and_wakes_its_task() {
    on_a_fresh_thread(|| {
        let done = Arc::new(AtomicUsize::new(0));
        let mut work = Box::pin(turns(200, Arc::clone(&done)));
        let (counter, waker) = CountingWaker::new();
        for (wakes, turns) in [(1, 63), (2, 127), (3, 191)] {
            assert!(poll_with(&mut work, &waker).is_pending());
            assert_eq!((counter.count(), done.load(Ordering::SeqCst)), (wakes, turns));
        }
        assert!(poll_with(&mut work, &waker).is_ready());
        assert_eq!(counter.count(), 3);
    });
}

#[test]
fn how_often_is_counted_per_thread_whoever_calls() {
    on_a_fresh_thread(|| {
        for _ in 0..2 {
            assert!(poll_once(&mut Box::pin(checkpoint().every(3))).is_ready());
        }
        let mut third = Box::pin(checkpoint().every(3));
        assert!(poll_once(&mut third).is_pending());
        assert!(matches!(poll_once(&mut third), Poll::Ready(Ok(()))));
        for every in [0, 1] {
            assert!(poll_once(&mut Box::pin(checkpoint().every(every))).is_pending());
        }
    });
}

#[test]
fn it_fails_before_it_yields_and_after() {
    let token = CancellationToken::new();
    let mut yielded = Box::pin(token.scope(checkpoint().every(1)));
    assert!(poll_once(&mut yielded).is_pending());
    token.cancel();
    let Poll::Ready(result) = poll_once(&mut yielded) else {
        panic!("pending")
    };
    assert_eq!(result.unwrap_err().observed_at().file(), file!());
    let mut fresh = Box::pin(token.scope(checkpoint().every(1)));
    assert!(matches!(poll_once(&mut fresh), Poll::Ready(Err(_))));
}

#[test]
fn a_loop_lets_its_neighbour_on_the_same_thread_cancel_it() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .run_with(|token| async move {
                let spins = async {
                    loop {
                        checkpoint().await?;
                    }
                };
                futures::join!(spins, async { token.cancel() }).0
            })
            .await;
        assert!(outcome.is_err());
    });
}

#[test]
fn a_loop_ends_at_its_deadline() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .timeout(Duration::from_millis(2))
            .run(async {
                loop {
                    checkpoint().await?;
                }
            })
            .await;
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn members_of_a_futures_unordered_that_have_yielded_unwind_too() {
    let started = AtomicUsize::new(0);
    let unwound = AtomicUsize::new(0);
    let token = CancellationToken::new();
    let mut task = Box::pin(token.scope(async {
        let members = (0..100).map(|_| async {
            started.fetch_add(1, Ordering::SeqCst);
            let result = checkpoint().every(1).await;
            unwound.fetch_add(usize::from(result.is_err()), Ordering::SeqCst);
        });
        let mut members: FuturesUnordered<_> = members.collect();
        guard(async { while members.next().await.is_some() {} }).await
    }));
    // One poll of the task polls some of the members, not all.
    assert!(poll_once(&mut task).is_pending());
    token.cancel();
    while poll_once(&mut task).is_pending() {}
    assert!(started.load(Ordering::SeqCst) > 1);
    assert_eq!(started.load(Ordering::SeqCst), unwound.load(Ordering::SeqCst));
}

#[test]
fn it_is_send_and_small() {
    fn is_send<T: Future + Send>(future: &T) -> usize {
        size_of_val(future)
    }
    assert!(is_send(&checkpoint()) <= 4 * size_of::<usize>());
}
