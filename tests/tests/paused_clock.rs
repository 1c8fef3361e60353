//! L19: tokio's clock where it is paused, whichever way it has come to be so, and L15, what is left of it when its runtime
//! is gone.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use cancelable::{CancellationToken, Cancelled, ReasonKind, Scope, condition, guard, sleep};
use tests::{CountingWaker, paused_tokio, poll_once, poll_with};
use tokio::time::{self, advance, pause};

type Outcome = Result<(), Cancelled>;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn tokio_not_paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// An hour's scope round what sleeps for two. How long that took, by the clock.
async fn an_hour() -> Duration {
    let began = time::Instant::now();
    let outcome: Outcome = Scope::new()
        .timeout(HOUR)
        .run(async {
            guard(time::sleep(2 * HOUR)).await?;
            Ok(())
        })
        .await;
    assert!(outcome.unwrap_err().is_timeout());
    began.elapsed()
}

#[test]
fn l19_a_paused_clock_that_real_time_catches_up_with_is_still_the_one() {
    for ahead in [0, 100, 500, 1000] {
        for _ in 0..25 {
            paused_tokio().block_on(async {
                // From behind real time to ahead of it.
                let behind = Instant::now().saturating_duration_since(time::Instant::now().into_std());
                advance(behind + Duration::from_micros(ahead)).await;
                // tokio rounds up to a millisecond.
                assert!(an_hour().await - HOUR < 2 * MS);
            });
            paused_tokio().block_on(async {
                time::sleep(MS).await;
                assert_eq!(an_hour().await, HOUR);
                let began = time::Instant::now();
                sleep(HOUR).await.unwrap();
                assert_eq!(began.elapsed(), HOUR);
            });
        }
    }
}

#[test]
fn l19_a_clock_that_is_paused_before_the_scope_is_pending_is_followed() {
    tokio_not_paused().block_on(async {
        let outcome: Outcome = Scope::new()
            .timeout(HOUR)
            .run(async {
                pause();
                guard(time::sleep(2 * HOUR)).await?;
                Ok(())
            })
            .await;
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn l19_a_clock_that_is_paused_while_a_scope_runs_is_followed() {
    for needs_token in [false, true] {
        tokio_not_paused().block_on(async {
            let outcome: Outcome = Scope::new()
                .timeout(HOUR)
                .run(async move {
                    let token = needs_token.then(cancelable::current);
                    guard(time::sleep(MS)).await?;
                    pause();
                    guard(time::sleep(2 * HOUR)).await?;
                    drop(token);
                    Ok(())
                })
                .await;
            assert!(outcome.is_err_and(|cancelled| cancelled.is_timeout()), "{needs_token}");
        });
    }
}

#[test]
fn l17_a_scope_that_fails_once_the_clock_is_paused_leaves_no_timer_behind() {
    tokio_not_paused().block_on(async {
        let token = CancellationToken::new();
        let mut scope = Box::pin(Scope::new().parent(&token).timeout(HOUR).run(pending::<Outcome>()));
        let (count, waker) = CountingWaker::new();
        assert!(poll_with(&mut scope, &waker).is_pending());
        pause();
        token.cancel();
        assert!(poll_with(&mut scope, &waker).is_ready());
        drop(waker);
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

#[test]
fn l19_a_clock_that_is_resumed_takes_its_deadlines_along() {
    paused_tokio().block_on(async {
        time::sleep(HOUR).await;
        time::resume();
        let outcome: Outcome = Scope::new().timeout(MS).run(async { guard(pending()).await? }).await;
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn l19_a_deadline_is_a_moment_of_the_paused_clock() {
    paused_tokio().block_on(async {
        advance(HOUR).await;
        let by = |deadline| Scope::new().deadline(deadline).run(sleep(HOUR));
        let began = time::Instant::now();
        // Long past by that clock, which is an hour ahead.
        by(Instant::now() + SECOND).await.unwrap_err();
        assert_eq!(began.elapsed(), Duration::ZERO);
        by(time::Instant::now().into_std() + SECOND).await.unwrap_err();
        assert_eq!(began.elapsed(), SECOND);
    });
}

#[test]
fn l19_a_future_given_to_until_fires_at_its_moment_of_a_paused_clock() {
    for _ in 0..50 {
        paused_tokio().block_on(async {
            let began = time::Instant::now();
            let outcome: Outcome = Scope::new()
                .until(time::sleep(30 * SECOND))
                .run(async {
                    guard(time::sleep(HOUR)).await?;
                    Ok(())
                })
                .await;
            assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
            assert_eq!(began.elapsed(), 30 * SECOND);
        });
    }
}

#[test]
fn l19_a_future_that_waits_several_times_fires_at_its_moment_of_a_paused_clock() {
    for _ in 0..50 {
        paused_tokio().block_on(async {
            let began = time::Instant::now();
            let steps = async {
                for _ in 0..30 {
                    time::sleep(SECOND).await;
                }
            };
            let outcome: Outcome = Scope::new()
                .until(cancelable::any((steps, pending::<()>())))
                .run(async {
                    loop {
                        guard(time::sleep(7 * MS)).await?;
                    }
                })
                .await;
            assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
            assert_eq!(began.elapsed(), 30 * SECOND);
        });
    }
}

#[test]
fn a_source_of_a_sync_scope_fires_though_that_keeps_the_runtime_s_thread_to_itself() {
    paused_tokio().block_on(async {
        let (sender, receiver) = futures::channel::oneshot::channel::<()>();
        let mut sender = Some(sender);
        let outcome: Outcome = Scope::new().until(receiver).run_sync(|| {
            drop(sender.take());
            loop {
                cancelable::check()?;
            }
        });
        assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
    });
}

#[test]
fn l19_a_condition_is_asked_by_a_paused_clock_while_the_body_sleeps_in_steps() {
    for _ in 0..20 {
        paused_tokio().block_on(async {
            let asked = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&asked);
            let outcome: Outcome = Scope::new()
                .until(condition(MS, move || count.fetch_add(1, Ordering::SeqCst) >= 100))
                .run(async {
                    for _ in 0..1000 {
                        guard(time::sleep(10 * MS)).await?;
                    }
                    Ok(())
                })
                .await;
            assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
            assert_eq!(asked.load(Ordering::SeqCst), 101);
        });
    }
}

/// Begins under a paused clock that then goes away with its runtime.
fn begun<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    let runtime = paused_tokio();
    runtime.block_on(async {
        assert!(poll_once(&mut future).is_pending());
    });
    drop(runtime);
    future
}

#[test]
fn l15_a_scope_begun_under_a_paused_clock_whose_runtime_is_gone_is_polled_elsewhere() {
    let far: Pin<Box<_>> = begun(Scope::new().timeout(HOUR).run(async { guard(pending()).await? }));
    let mut far: Pin<Box<dyn Future<Output = Outcome>>> = far;
    assert!(far.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(far);

    let near = begun(Scope::new().timeout(5 * MS).run(async { guard(pending()).await? }));
    let outcome: Outcome = futures::executor::block_on(near);
    assert!(outcome.unwrap_err().is_timeout());

    let near = begun(
        Scope::new()
            .timeout(5 * MS)
            .run_with(|token: CancellationToken| async move {
                let _token = token;
                guard(pending()).await?
            }),
    );
    let outcome: Outcome = tokio_not_paused().block_on(near);
    assert!(outcome.unwrap_err().is_timeout());

    let done = begun(Scope::new().timeout(HOUR).run(async {
        futures::pending!();
        Ok(())
    }));
    let outcome: Outcome = futures::executor::block_on(done);
    outcome.unwrap();
}

#[test]
fn l15_a_sleep_begun_under_a_paused_clock_whose_runtime_is_gone_ends() {
    futures::executor::block_on(begun(sleep(5 * MS))).unwrap();
    assert_eq!(
        poll_once(&mut begun(Box::pin(async { sleep(HOUR).await.is_ok() }))),
        Poll::Pending
    );
}

#[test]
fn l15_a_deadline_that_had_come_before_its_runtime_was_gone_has_come() {
    let mut future = Box::pin(Scope::new().timeout(HOUR).run(async { guard(pending()).await? }));
    let runtime = paused_tokio();
    runtime.block_on(async {
        assert!(poll_once(&mut future).is_pending());
        advance(HOUR).await;
    });
    drop(runtime);
    let Poll::Ready(outcome) = poll_once(&mut future) else {
        panic!("an hour has passed")
    };
    let outcome: Outcome = outcome;
    assert!(outcome.unwrap_err().is_timeout());
}
