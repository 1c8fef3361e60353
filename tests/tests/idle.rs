//! Idle timeouts, `progress`, and check points as a heartbeat.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use cancelable::testing::{Clock, CountingWaker};
use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, ReasonKind, Scope, blocking_sleep, cancel_scope, cancelable,
    check, current, guard, is_cancelled, progress, remaining, shield, shield_sync, sleep, thread,
};
use tests::{on_every_runtime, paused_tokio, poll_once, poll_with};

type Outcome = Result<(), Cancelled>;

const LIMIT: Duration = Duration::from_secs(80);
const PERIOD: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_secs(79);
const HOUR: Duration = Duration::from_secs(3600);

/// A body that does nothing else.
fn reports(done: u64, total: u64) -> Outcome {
    progress(done, total);
    Ok(())
}

/// Runs `body` in a sync scope with an idle timeout of [`LIMIT`], under a clock that it moves.
fn idle(body: impl FnOnce(&Clock) -> Outcome) -> Outcome {
    let clock = Clock::new();
    clock.sync_scope(|| Scope::new().idle_timeout(LIMIT).run_sync(|| body(&clock)))
}

/// The same, where check points count.
fn beating(body: impl FnOnce(&Clock) -> Outcome) -> Outcome {
    let clock = Clock::new();
    clock.sync_scope(|| Scope::new().idle_timeout(LIMIT).heartbeat().run_sync(|| body(&clock)))
}

/// What is made of the scope's token keeps that going as long as it is called again and again, and no longer.
fn check_that_it_counts<W: Fn()>(number: usize, way: impl FnOnce(&CancellationToken) -> W) {
    let outcome = beating(|clock| {
        let token = current();
        let way = way(&token);
        for _ in 0..10 {
            clock.advance(SHORT);
            way();
        }
        assert!(!token.is_cancelled(), "way {number} does not count");
        clock.advance(PERIOD);
        clock.advance(LIMIT);
        check()
    });
    assert!(outcome.is_err());
}

// What it says.

#[test]
fn a_scope_in_which_nothing_moves_times_out_on_any_runtime() {
    on_every_runtime(|| async {
        let scope = Scope::new().name("copy").idle_timeout(Duration::from_millis(1));
        let line = line!() - 1;
        let outcome: Outcome = scope.run(async { guard(pending()).await? }).await;
        let error = outcome.unwrap_err();
        assert!(error.is_timeout() && error.kind() == ReasonKind::Timeout);
        assert_eq!(error.scope_name(), Some("copy"));
        assert_eq!(error.reason().to_string(), "nothing moved for 1ms (scope \"copy\")");
        assert_eq!(error.reason().location().line(), line);
    });
}

#[test]
fn the_error_says_how_far_the_work_had_got() {
    let text = |report: fn()| {
        let outcome = idle(|clock| {
            report();
            clock.advance(LIMIT);
            check()
        });
        outcome.unwrap_err().reason().to_string()
    };
    assert_eq!(text(|| {}), "nothing moved for 80s");
    assert_eq!(text(|| progress(3, 10)), "nothing moved for 80s: 3 of 10 done");
    assert_eq!(text(|| progress(0, None)), "nothing moved for 80s: 0 done");
    let last = || {
        progress(3, 10);
        progress(2, Some(20));
    };
    assert_eq!(text(last), "nothing moved for 80s: 2 of 20 done");
}

// What puts it off.

#[test]
fn it_counts_from_the_last_progress() {
    let outcome = idle(|clock| {
        for done in 0..3 {
            clock.advance(SHORT);
            check()?;
            progress(done, None);
        }
        clock.advance(SHORT);
        check().unwrap();
        clock.advance(LIMIT - SHORT);
        check()
    });
    assert!(outcome.unwrap_err().is_timeout());
}

#[test]
fn what_moves_again_and_again_goes_on_as_long_as_it_likes() {
    paused_tokio().block_on(async {
        let start = tokio::time::Instant::now();
        let outcome: Outcome = cancel_scope!(idle_timeout = LIMIT, async {
            for n in 1..10_u64 {
                tokio::time::sleep(SHORT).await;
                progress(n, 10);
            }
            pending().await
        })
        .await;
        assert!(outcome.unwrap_err().reason().to_string().ends_with(": 9 of 10 done"));
        assert_eq!(start.elapsed(), SHORT * 9 + LIMIT);
    });
}

#[test]
fn progress_in_tasks_below_counts() {
    paused_tokio().block_on(async {
        let start = tokio::time::Instant::now();
        let outcome: Outcome = cancel_scope!(idle_timeout = LIMIT, async {
            let task = cancelable::tokio::spawn(async {
                sleep(SHORT).await?;
                progress(1, 3);
                cancelable::tokio::spawn_blocking(|| progress(2, 3)).await.unwrap();
                sleep(SHORT).await?;
                progress(3, 3);
                Ok::<_, Cancelled>(())
            });
            task.await.unwrap()?;
            pending().await
        })
        .await;
        assert!(outcome.is_err());
        assert_eq!(start.elapsed(), SHORT * 2 + LIMIT);
    });
}

#[test]
fn progress_on_threads_below_counts_by_the_clock_of_the_scope() {
    type Elsewhere = fn(&CancellationToken);
    let ways: [Elsewhere; 3] = [
        |token| {
            let thread = token.sync_scope(|| thread::spawn(|| progress(1, 2)));
            thread.join().unwrap();
        },
        |token| {
            let token = token.clone();
            std::thread::spawn(move || token.sync_scope(|| progress(1, 2)))
                .join()
                .unwrap();
        },
        |token| {
            let token = token.child_token();
            let inside = move || Scope::new().parent(&token).run_sync(|| reports(1, 2));
            std::thread::spawn(inside).join().unwrap().unwrap();
        },
    ];
    for way in ways {
        let clock = Clock::new();
        let (counter, waker) = CountingWaker::new();
        let (given, taken) = std::sync::mpsc::channel();
        let scope = Scope::new().idle_timeout(LIMIT).run_with(move |token| {
            given.send(token).unwrap();
            pending::<Outcome>()
        });
        let mut scope = Box::pin(clock.scope(scope));
        assert!(poll_with(&mut scope, &waker).is_pending());
        let token = taken.recv().unwrap();
        clock.advance(SHORT);
        way(&token);
        clock.advance(SHORT);
        assert_eq!(counter.count(), 0);
        clock.advance(LIMIT - SHORT);
        assert_eq!(counter.count(), 1);
        assert!(poll_once(&mut scope).is_ready());
    }
}

#[test]
fn every_idle_scope_above_is_put_off_and_no_other() {
    let clock = Clock::new();
    clock.sync_scope(|| {
        let [outer, inner, sibling] = ["outer", "inner", "sibling"].map(|name| Scope::new().name(name));
        let waker = std::task::Waker::noop();
        let mut sibling = pin!(sibling.idle_timeout(LIMIT).run(pending::<Outcome>()));
        assert!(sibling.as_mut().poll(&mut Context::from_waker(waker)).is_pending());
        let outcome: Outcome = outer.idle_timeout(LIMIT * 2).run_sync(|| {
            let outcome: Outcome = inner.idle_timeout(LIMIT).run_sync(|| {
                for _ in 0..4 {
                    clock.advance(SHORT);
                    progress(1, None);
                    check()?;
                }
                clock.advance(LIMIT);
                check()
            });
            assert_eq!(outcome.unwrap_err().scope_name(), Some("inner"));
            check().unwrap();
            clock.advance(LIMIT);
            check()
        });
        assert_eq!(outcome.unwrap_err().scope_name(), Some("outer"));
        let poll = sibling.as_mut().poll(&mut Context::from_waker(waker));
        let Poll::Ready(Err(error)) = poll else {
            panic!("it was put off")
        };
        assert_eq!(error.reason().to_string(), "nothing moved for 80s (scope \"sibling\")");
    });
}

#[test]
fn progress_behind_a_shield_counts_and_in_a_detached_scope_does_not() {
    let outcome = idle(|clock| {
        shield_sync(|| {
            let inner: Outcome = Scope::new().run_sync(|| {
                clock.advance(SHORT);
                progress(1, 2);
                Ok(())
            });
            inner
        })?;
        clock.advance(SHORT);
        check().unwrap();
        let inner: Outcome = Scope::new().detached().run_sync(|| reports(2, 2));
        inner?;
        clock.advance(LIMIT - SHORT);
        check()
    });
    assert!(outcome.unwrap_err().reason().to_string().ends_with("1 of 2 done"));
}

#[test]
fn progress_below_a_token_that_is_linked_to_the_scope_counts() {
    let outcome = idle(|clock| {
        let linked = CancellationToken::any([&current(), &CancellationToken::new()]);
        let two = CancellationToken::any([&linked, &current()]);
        clock.advance(SHORT);
        two.child_token().sync_scope(|| progress(1, 1));
        clock.advance(SHORT);
        check().unwrap();
        clock.advance(LIMIT - SHORT);
        assert!(two.is_cancelled());
        check()
    });
    assert!(outcome.is_err());
}

#[test]
fn progress_where_nobody_listens_does_nothing() {
    progress(1, 2);
    CancellationToken::new().sync_scope(|| progress(1, None));
    let outcome: Outcome = Scope::new().run_sync(|| reports(u64::MAX, u64::MAX));
    outcome.unwrap();
}

// Bounds.

#[test]
fn zero_does_not_start_the_body_and_what_is_too_long_is_no_limit() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .idle_timeout(Duration::ZERO)
            .run(async { unreachable!() })
            .await;
        assert_eq!(outcome.unwrap_err().reason().to_string(), "timed out at once");
    });
    let outcome: Outcome = Scope::new().idle_timeout(Duration::ZERO).run_sync(|| unreachable!());
    assert!(outcome.unwrap_err().is_timeout());
    let clock = Clock::new();
    clock.sync_scope(|| {
        for none in [Some(Duration::MAX), None] {
            for scope in [
                Scope::new().idle_timeout(none),
                Scope::new().idle_timeout(none).heartbeat(),
                Scope::new().heartbeat(),
            ] {
                let outcome: Outcome = scope.run_sync(|| {
                    clock.advance(HOUR);
                    progress(1, 2);
                    check()
                });
                outcome.unwrap();
            }
        }
    });
}

#[test]
fn it_is_no_deadline_of_the_token() {
    let outcome = idle(|_| {
        assert_eq!((remaining(), current().deadline()), (None, None));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_timeout_beside_it_bounds_the_whole() {
    paused_tokio().block_on(async {
        let outcome: Outcome = cancel_scope!(idle_timeout = LIMIT, timeout = HOUR, async {
            loop {
                tokio::time::sleep(SHORT).await;
                progress(1, None);
            }
        })
        .await;
        assert_eq!(outcome.unwrap_err().reason().to_string(), "timed out after 3600s");
    });
}

#[test]
fn code_that_never_yields_is_ended_by_real_time() {
    let outcome: Outcome = cancel_scope!(idle_timeout = "1ms", { loop {} });
    assert!(outcome.unwrap_err().is_timeout());
    let turns = std::thread::spawn(|| {
        let mut turns = 0_u64;
        let outcome: Outcome = Scope::new().idle_timeout(Duration::from_millis(1)).run_sync(|| {
            while !is_cancelled() {
                turns += 1;
            }
            check()
        });
        outcome.map(|()| turns)
    });
    assert!(turns.join().unwrap().is_err());
}

// The macros.

#[test]
fn the_attribute_takes_it_with_an_expression_or_an_option() {
    #[cancelable(idle_timeout = "80s")]
    fn literal(clock: &Clock) -> Outcome {
        clock.advance(LIMIT);
        check()
    }
    #[cancelable(idle_timeout = after, heartbeat, name = "maybe")]
    async fn optional(after: Option<Duration>) -> Outcome {
        std::future::pending().await
    }
    let clock = Clock::new();
    assert!(clock.sync_scope(|| literal(&clock)).is_err());
    paused_tokio().block_on(async {
        let error = optional(Some(LIMIT)).await.unwrap_err();
        assert_eq!(error.reason().to_string(), "nothing moved for 80s (scope \"maybe\")");
        assert!(tokio::time::timeout(HOUR, optional(None)).await.is_err());
    });
}

// Check points that count.

#[test]
fn check_points_count_as_a_heartbeat_and_no_cancel_is_late_by_more_than_an_eighth() {
    type CheckPoint = fn() -> bool;
    #[cancelable]
    fn entry() -> Outcome {
        Ok(())
    }
    #[cancelable]
    fn iteration() -> Outcome {
        for _ in 0..1 {}
        Ok(())
    }
    let points: [CheckPoint; 6] = [
        || check().is_ok(),
        || !is_cancelled(),
        || entry().is_ok(),
        || iteration().is_ok(),
        || Scope::new().run_sync(check).is_ok(),
        || {
            Scope::new()
                .timeout(HOUR)
                .run_sync(|| Scope::new().timeout(HOUR).run_sync(check))
                .is_ok()
        },
    ];
    for point in points {
        let outcome = beating(|clock| {
            for _ in 0..20 {
                clock.advance(SHORT);
                assert!(point());
            }
            // However often it beats: it has to be looked for.
            assert!(point() && point());
            let token = current();
            for _ in 0..8 {
                clock.advance(PERIOD);
                assert!(!token.is_cancelled(), "it came early");
            }
            clock.advance(PERIOD);
            assert!(token.is_cancelled(), "it came late");
            check()
        });
        assert_eq!(outcome.unwrap_err().reason().to_string(), "nothing moved for 80s");
    }
}

/// It is a check point; but by real time it does not get there by an await.
#[test]
fn a_thread_that_sleeps_again_and_again_beats() {
    let scope = Scope::new().idle_timeout(Duration::from_millis(500)).heartbeat();
    let outcome: Outcome = scope.run_sync(|| {
        for _ in 0..70 {
            blocking_sleep(Duration::from_millis(10))?;
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn without_the_option_they_do_not_count() {
    let outcome = idle(|clock| {
        for _ in 0..8 {
            clock.advance(PERIOD);
            check()?;
        }
        Ok(())
    });
    assert!(outcome.is_err());
}

#[test]
fn who_asks_the_token_from_outside_is_no_sign_of_life() {
    let outcome = beating(|clock| {
        let token = current();
        for _ in 0..8 {
            clock.advance(PERIOD);
            let _ = (token.is_cancelled(), token.check(), token.child_token().is_cancelled());
        }
        check()
    });
    assert!(outcome.is_err());
}

/// Its task was started elsewhere, and is only driven here.
#[test]
fn a_strangers_check_points_are_no_sign_of_life() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let checks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&checks);
    runtime.spawn(async move {
        loop {
            check().unwrap();
            counted.fetch_add(1, Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let outcome = beating(|clock| {
        for period in 1..=8 {
            runtime.block_on(async {
                while checks.load(Relaxed) < period {
                    tokio::task::yield_now().await;
                }
            });
            clock.advance(PERIOD);
        }
        check()
    });
    assert!(outcome.unwrap_err().is_timeout());
}

#[test]
fn an_await_counts_when_it_begins_and_when_it_ends_and_not_while_it_is_pending() {
    let clock = Clock::new();
    let (waker, (sender, receiver)) = (CountingWaker::new().1, flume::unbounded::<()>());
    let scope = Scope::new().idle_timeout(LIMIT).heartbeat().run(async move {
        guard(receiver.recv_async()).await?.unwrap();
        guard(receiver.recv_async()).await?.unwrap();
        Ok::<_, Cancelled>(())
    });
    let mut scope = Box::pin(clock.scope(scope));
    assert!(poll_with(&mut scope, &waker).is_pending());
    clock.advance(SHORT);
    sender.send(()).unwrap();
    assert!(poll_with(&mut scope, &waker).is_pending());
    // The first one is over, the second one has begun.
    for _ in 0..7 {
        clock.advance(PERIOD);
        assert!(poll_with(&mut scope, &waker).is_pending());
    }
    clock.advance(PERIOD);
    let Poll::Pending = poll_with(&mut scope, &waker) else {
        panic!("it came early")
    };
    clock.advance(PERIOD);
    let Poll::Ready(Err(error)) = poll_with(&mut scope, &waker) else {
        panic!("being polled is no sign of life")
    };
    assert!(error.is_timeout());
}

#[test]
fn awaits_of_annotated_functions_are_a_heartbeat_across_tasks() {
    #[cancelable]
    async fn steps(n: u32) -> Outcome {
        for _ in 0..n {
            tokio::time::sleep(SHORT).await;
        }
        Ok(())
    }
    paused_tokio().block_on(async {
        let start = tokio::time::Instant::now();
        let outcome: Outcome = cancel_scope!(idle_timeout = LIMIT, heartbeat, async {
            steps(3).await?;
            cancelable::tokio::spawn(steps(3)).await.unwrap()?;
            tokio::spawn(steps(3).in_current_scope()).await.unwrap()?;
            let crowd = futures::future::try_join_all([steps(3), steps(3)]);
            crowd.await?;
            std::future::pending().await
        })
        .await;
        assert!(outcome.is_err());
        let over = start.elapsed() - SHORT * 12;
        assert!(LIMIT <= over && over <= LIMIT + PERIOD, "{over:?}");
    });
}

#[test]
fn check_points_on_threads_and_in_linked_scopes_below_count() {
    type Below = fn(&CancellationToken, &CancellationToken);
    // The first one asks a token from before, the others one that is made when a sign of life is being looked for.
    let ways: [Below; 5] = [
        |_, linked| linked.sync_scope(check).unwrap(),
        |token, _| token.sync_scope(|| thread::spawn(check)).join().unwrap().unwrap(),
        |token, _| {
            let token = token.child_token();
            std::thread::spawn(move || token.sync_scope(check))
                .join()
                .unwrap()
                .unwrap();
        },
        |token, _| {
            let outcome: Outcome = Scope::new().detached().link(token.clone()).run_sync(check);
            outcome.unwrap();
        },
        |token, _| CancellationToken::any([token]).child_token().sync_scope(check).unwrap(),
    ];
    for (number, way) in ways.into_iter().enumerate() {
        check_that_it_counts(number, |token| {
            let linked = CancellationToken::any([token]);
            let token = token.clone();
            move || way(&token, &linked)
        });
    }
}

#[test]
fn an_await_that_ends_counts_also_if_nothing_begins_after_it() {
    let clock = Clock::new();
    let (waker, (sender, receiver)) = (CountingWaker::new().1, flume::unbounded::<()>());
    let scope = Scope::new().idle_timeout(LIMIT).heartbeat().run(async move {
        guard(receiver.recv_async()).await?.unwrap();
        pending::<Outcome>().await
    });
    let mut scope = Box::pin(clock.scope(scope));
    assert!(poll_with(&mut scope, &waker).is_pending());
    // That it has begun counts until here.
    clock.advance(PERIOD);
    clock.advance(LIMIT - PERIOD * 2);
    sender.send(()).unwrap();
    assert!(poll_with(&mut scope, &waker).is_pending());
    clock.advance(SHORT);
    assert!(poll_with(&mut scope, &waker).is_pending(), "it came early");
    clock.advance(LIMIT);
    assert!(poll_with(&mut scope, &waker).is_ready());
}

#[test]
fn what_happens_behind_a_shield_is_reported_by_progress_alone() {
    let clock = Clock::new();
    let scope = Scope::new().idle_timeout(LIMIT).heartbeat();
    let mut scope = Box::pin(clock.scope(scope.run(async {
        shield(async {
            for _ in 0..3 {
                sleep(SHORT).await.unwrap();
                progress(1, None);
            }
        })
        .await;
        Ok::<_, Cancelled>(())
    })));
    let waker = CountingWaker::new().1;
    for _ in 0..3 {
        assert!(poll_with(&mut scope, &waker).is_pending());
        clock.advance(SHORT);
    }
    let Poll::Ready(outcome) = poll_with(&mut scope, &waker) else {
        panic!("the shield is over")
    };
    outcome.unwrap();
}

#[test]
fn scopes_and_races_of_plain_code_beat() {
    fn now<F: Future>(future: F) -> F::Output {
        futures::executor::block_on(future)
    }
    let ways: [fn(); 6] = [
        || assert_eq!(Scope::new().run_sync(|| Some(())), Some(())),
        || assert_eq!(now(Scope::new().run(async { Some(()) })), Some(())),
        || {
            assert_eq!(
                now(Scope::new().name("named").timeout(HOUR).run(async { Some(()) })),
                Some(())
            )
        },
        || assert_eq!(cancel_scope!({ Some(()) }), Some(())),
        || now(cancelable::race((async {}, async {}))),
        || drop(now(cancelable::try_join((async { Outcome::Ok(()) }, async { Ok(()) })))),
    ];
    for (number, way) in ways.into_iter().enumerate() {
        check_that_it_counts(number, |_| way);
    }
}

#[test]
fn the_line_that_a_scope_is_said_to_be_at_is_that_of_its_idle_timeout() {
    let line = std::panic::Location::caller();
    for scope in [
        Scope::new().idle_timeout(Duration::ZERO).located_at(line),
        Scope::new()
            .timeout(HOUR)
            .idle_timeout(Duration::ZERO)
            .heartbeat()
            .located_at(line),
    ] {
        let outcome: Outcome = scope.run_sync(|| Ok(()));
        assert_eq!(outcome.unwrap_err().reason().location(), line);
    }
}
