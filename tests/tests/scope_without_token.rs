//! Scopes that nobody has asked for their token: they have none, and must not differ from those that do.
//!
//! Such a scope looks at its parent and at its clock instead, and leaves the waiting for its parent to the scope outside
//! (`cancelable/src/scope/origin.rs`). What is observed here is the tree: a token takes a place in it, what stands in does not.

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use cancelable::testing::Clock;
use cancelable::{CancellationToken, Cancelled, ReasonKind, Scope, check, current, guard, is_cancelled, shield_sync};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tests::{CountingWaker, children, kind, paused_tokio, poll_once, poll_with, ready_after};

type Outcome = Result<(), Cancelled>;

/// An hour: a deadline that no test is to see.
const LONG: Duration = Duration::from_secs(3600);

/// A deadline that a test waits for, busily.
const SHORT: Duration = Duration::from_millis(3);

fn spin_until(at: Instant) {
    while Instant::now() < at {
        std::hint::spin_loop();
    }
}

/// A boxed scope round nothing but waiting, to be carried about.
fn waiting(scope: Scope) -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
    Box::pin(scope.run(pending::<Outcome>()))
}

/// Polls `inner` once inside `token`, under the waker of the poll.
fn poll_inside(
    token: &CancellationToken,
    inner: &mut Pin<Box<dyn Future<Output = Outcome> + Send>>,
    waker: &std::task::Waker,
) -> Poll<Outcome> {
    let mut poll = Poll::Pending;
    let mut outside = Box::pin(token.scope(poll_fn(|cx| {
        poll = inner.as_mut().poll(cx);
        Poll::Ready(())
    })));
    assert!(poll_with(&mut outside, waker).is_ready());
    drop(outside);
    poll
}

/// Runs `f` when dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_pending_scope_takes_no_place_in_the_tree_until_somebody_needs_its_token() {
    let outer = CancellationToken::new();
    outer.sync_scope(|| {
        let seen = Arc::new(Mutex::new(None));
        let sees = Arc::clone(&seen);
        let mut future = Box::pin(Scope::new().name("late").timeout(LONG).run(async move {
            ready_after(1, ()).await;
            *sees.lock().unwrap() = Some(current());
            guard(pending::<()>()).await
        }));
        let (count, waker) = CountingWaker::new();
        assert!(poll_with(&mut future, &waker).is_pending());
        assert_eq!(children(&outer), "0");
        assert!(poll_with(&mut future, &waker).is_pending());
        assert_eq!(children(&outer), "1", "made in the second poll");
        let token = seen.lock().unwrap().clone().unwrap();
        assert!(token.remaining().is_some(), "with the scope's deadline");
        let before = count.count();
        token.cancel_with("by its own token");
        assert_eq!(count.count(), before + 1, "it is the one that the task waits for now");
        let Poll::Ready(Err(error)) = poll_with(&mut future, &waker) else {
            panic!("the guard fails in the poll after the cancel")
        };
        assert!(error.belongs_to(&token));
        assert_eq!(error.scope_name(), Some("late"));
        assert!(!outer.is_cancelled());
    });
}

#[test]
fn l11_a_pending_scope_without_a_token_is_woken_by_its_parent_and_ends() {
    let outer = CancellationToken::new();
    let mut future = Box::pin(Scope::new().parent(&outer).run(pending::<Outcome>()));
    let (count, waker) = CountingWaker::new();
    assert!(poll_with(&mut future, &waker).is_pending());
    assert_eq!(children(&outer), "0");
    outer.cancel_with("from outside");
    assert_eq!(count.count(), 1);
    let Poll::Ready(Err(error)) = poll_with(&mut future, &waker) else {
        panic!("it ends in the poll after the cancel")
    };
    assert!(error.belongs_to(&outer));
    assert_eq!(error.reason().to_string(), "from outside");
}

#[test]
fn l15_a_pending_scope_without_a_token_claims_its_deadline() {
    paused_tokio().block_on(async {
        let outer = CancellationToken::new();
        let before = tokio::time::Instant::now();
        let scope = Scope::new().name("slow").timeout(LONG).run(pending::<Outcome>());
        let error = outer.scope(scope).await.unwrap_err();
        assert_eq!(before.elapsed(), LONG);
        assert!(error.is_timeout() && !error.belongs_to(&outer));
        assert_eq!(error.scope_name(), Some("slow"));
        assert!(!outer.is_cancelled());
    });
}

#[test]
fn l16_destructors_of_a_dropped_body_see_a_cancelled_token_though_nobody_had_needed_one() {
    let outer = CancellationToken::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    let mut future = Box::pin(Scope::new().parent(&outer).timeout(LONG).run(async move {
        let _witness = OnDrop(|| sees.lock().unwrap().push(check().unwrap_err().kind()));
        pending::<Outcome>().await
    }));
    assert!(poll_once(&mut future).is_pending());
    drop(future);
    assert_eq!(*seen.lock().unwrap(), [ReasonKind::Dropped]);
    assert!(!outer.is_cancelled());
    assert_eq!(children(&outer), "0");
}

#[test]
fn l17_a_pending_scope_without_a_token_leaves_no_waker_behind() {
    let outer = CancellationToken::new();
    let (count, waker) = CountingWaker::new();
    let mut ended = Box::pin(Scope::new().parent(&outer).timeout(LONG).run(async {
        ready_after(1, ()).await;
        Ok::<(), Cancelled>(())
    }));
    assert!(poll_with(&mut ended, &waker).is_pending());
    assert!(poll_with(&mut ended, &waker).is_ready());
    let mut dropped = Box::pin(Scope::new().parent(&outer).timeout(LONG).run(pending::<Outcome>()));
    assert!(poll_with(&mut dropped, &waker).is_pending());
    drop(dropped);
    drop(waker);
    let woken = count.count();
    outer.cancel();
    assert_eq!(count.count(), woken);
    assert_eq!(Arc::strong_count(&count), 1, "wakers left behind");
}

#[test]
fn l21_a_panic_in_a_later_poll_cancels_the_token_that_this_poll_made() {
    let outer = CancellationToken::new();
    let (tell, told) = mpsc::channel();
    let mut future = Box::pin(Scope::new().parent(&outer).run(async move {
        ready_after(1, ()).await;
        tell.send(current()).unwrap();
        panic!("in the second poll");
        #[expect(unreachable_code, reason = "gives the body its type")]
        Ok::<(), Cancelled>(())
    }));
    assert!(poll_once(&mut future).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(&mut future))).is_err());
    assert_eq!(kind(&told.recv().unwrap()), Some(ReasonKind::Dropped));
    assert!(!outer.is_cancelled());
}

#[test]
fn l15_a_deadline_goes_by_the_clock_it_began_under_also_if_the_token_is_made_elsewhere() {
    let clock = Clock::new();
    let mut future = Box::pin(Scope::new().timeout(LONG).run(async {
        ready_after(1, ()).await;
        // Needs the token, outside the clock's reach.
        drop(current());
        pending::<Outcome>().await
    }));
    let (count, waker) = CountingWaker::new();
    clock.sync_scope(|| assert!(poll_with(&mut future, &waker).is_pending()));
    // `ready_after` has woken it: another thread takes over.
    assert!(poll_with(&mut future, &waker).is_pending());
    let woken = count.count();
    clock.advance(LONG);
    assert!(count.count() > woken, "the clock wakes whoever polls it now");
    let Poll::Ready(Err(error)) = poll_with(&mut future, &waker) else {
        panic!("the deadline has passed")
    };
    assert!(error.is_timeout());
}

/// Panics in the poll of this number, and can be polled again; its remains see what is ambient.
struct Panics {
    in_poll: usize,
    polls: usize,
    needs_token: bool,
    seen: Arc<Mutex<Vec<Option<ReasonKind>>>>,
}

impl Future for Panics {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Outcome> {
        self.polls += 1;
        if self.polls == self.in_poll {
            if self.needs_token {
                drop(current());
            }
            panic!("as it is meant to")
        }
        if self.polls > self.in_poll {
            self.seen.lock().unwrap().push(kind(&current()));
        }
        Poll::Pending
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.seen.lock().unwrap().push(kind(&current()));
    }
}

#[test]
fn l20_the_remains_of_a_body_that_panicked_see_its_token_whoever_needed_it_before() {
    for in_poll in [1, 2] {
        for needs_token in [false, true] {
            for polled_again in [false, true] {
                let seen = Arc::new(Mutex::new(Vec::new()));
                let body = Panics {
                    in_poll,
                    polls: 0,
                    needs_token,
                    seen: Arc::clone(&seen),
                };
                let outer = CancellationToken::new();
                let mut future = Box::pin(Scope::new().parent(&outer).run(body));
                for _ in 1..in_poll {
                    assert!(poll_once(&mut future).is_pending());
                }
                assert!(catch_unwind(AssertUnwindSafe(|| poll_once(&mut future))).is_err());
                if polled_again {
                    drop(poll_once(&mut future));
                }
                drop(future);
                let seen = seen.lock().unwrap();
                assert!(
                    !seen.is_empty() && seen.iter().all(|kind| *kind == Some(ReasonKind::Dropped)),
                    "in poll {in_poll}, needed: {needs_token}, polled again: {polled_again}: {seen:?}"
                );
                assert!(!outer.is_cancelled());
            }
        }
    }
}

#[test]
fn l11_a_scope_that_leaves_the_waiting_to_the_scope_outside_is_woken_with_it_once_and_ends() {
    for scope in [Scope::new as fn() -> Scope, || Scope::new().timeout(LONG)] {
        let outer = CancellationToken::new();
        let mut future = Box::pin(outer.scope(scope().run(pending::<Outcome>())));
        let (count, waker) = CountingWaker::new();
        assert!(poll_with(&mut future, &waker).is_pending());
        assert!(poll_with(&mut future, &waker).is_pending());
        assert_eq!(children(&outer), "0");
        outer.cancel();
        assert_eq!(count.count(), 1, "one registration serves both");
        let Poll::Ready(Err(error)) = poll_with(&mut future, &waker) else {
            panic!("it ends in the poll after the cancel")
        };
        assert!(error.belongs_to(&outer));
    }
}

#[test]
fn l11_a_scope_that_is_carried_out_of_the_scope_outside_waits_for_its_parent_by_itself() {
    let (outer, other) = (CancellationToken::new(), CancellationToken::new());
    let mut inner = waiting(Scope::new().timeout(LONG));
    let (first, waker) = CountingWaker::new();
    assert!(poll_inside(&outer, &mut inner, &waker).is_pending());
    let (second, waker) = CountingWaker::new();
    assert!(
        poll_inside(&other, &mut inner, &waker).is_pending(),
        "another scope is outside, and another task polls"
    );
    other.cancel();
    assert_eq!(second.count(), 0, "it is not the parent");
    assert!(poll_with(&mut inner, &waker).is_pending(), "and no scope at all");
    outer.cancel();
    assert_eq!((first.count(), second.count()), (0, 1));
    let Poll::Ready(Err(error)) = poll_with(&mut inner, &waker) else {
        panic!("it ends in the poll after the cancel")
    };
    assert!(error.belongs_to(&outer));
}

#[test]
fn l11_a_scope_that_is_carried_off_after_the_cancel_sees_it_in_its_next_poll() {
    let outer = CancellationToken::new();
    let mut inner = waiting(Scope::new());
    assert!(poll_inside(&outer, &mut inner, std::task::Waker::noop()).is_pending());
    outer.cancel();
    assert!(matches!(poll_once(&mut inner), Poll::Ready(Err(error)) if error.belongs_to(&outer)));
}

#[test]
fn l11_a_scope_that_is_put_among_others_in_its_second_poll_is_woken_there() {
    let outer = CancellationToken::new();
    let mut future = Box::pin(outer.scope(async {
        let mut inner = waiting(Scope::new().timeout(LONG));
        poll_fn(|cx| {
            assert!(inner.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        let mut members = FuturesUnordered::from_iter([inner]);
        members.next().await
    }));
    let (count, waker) = CountingWaker::new();
    assert!(poll_with(&mut future, &waker).is_pending());
    outer.cancel();
    assert!(count.count() > 0);
    let Poll::Ready(Some(Err(error))) = poll_with(&mut future, &waker) else {
        panic!("the member ends")
    };
    assert!(error.belongs_to(&outer));
}

#[test]
fn l15_the_alarm_of_a_scope_without_a_token_wakes_the_task_that_polled_last() {
    let outer = CancellationToken::new();
    let mut future = Box::pin(outer.scope(Scope::new().timeout(SHORT).run(async { sleep_for_ever().await })));
    let (first, waker) = CountingWaker::new();
    assert!(poll_with(&mut future, &waker).is_pending());
    let before = first.count();
    let (second, waker) = CountingWaker::new();
    if poll_with(&mut future, &waker).is_pending() {
        while second.count() == 0 {
            std::hint::spin_loop();
        }
        assert!(first.count() <= before + 1, "at most the wake that was under way");
        let Poll::Ready(Err(error)) = poll_with(&mut future, &waker) else {
            panic!("its deadline has come")
        };
        assert!(error.is_timeout());
    }
    assert!(!outer.is_cancelled());
}

/// Unannotated, and never ready.
async fn sleep_for_ever() -> Outcome {
    pending().await
}

#[test]
fn l15_the_first_check_point_after_the_deadline_fails_though_nobody_had_needed_the_token() {
    let sync: Outcome = Scope::new().timeout(SHORT).run_sync(|| {
        check()?;
        spin_until(Instant::now() + SHORT);
        check()
    });
    assert!(sync.unwrap_err().is_timeout());
    let mut future = Box::pin(Scope::new().timeout(SHORT).run(async {
        guard(async {}).await?;
        spin_until(Instant::now() + SHORT);
        guard(async {}).await
    }));
    assert!(matches!(poll_once(&mut future), Poll::Ready(Err(error)) if error.is_timeout()));
}

#[test]
fn l15_check_points_of_inner_scopes_see_the_deadlines_outside_though_no_token_was_needed() {
    let outer: Outcome = Scope::new().name("outer").timeout(SHORT).run_sync(|| {
        Scope::new().timeout(LONG).run_sync(|| {
            Scope::new().run_sync(|| {
                check()?;
                spin_until(Instant::now() + SHORT);
                check()
            })
        })
    });
    let error = outer.unwrap_err();
    assert!(
        error.to_string().contains("timed out after 3ms (scope \"outer\")"),
        "{error}"
    );
}

#[test]
fn l15_a_check_point_sees_the_alarm_of_a_scope_that_has_been_pending() {
    let (count, waker) = CountingWaker::new();
    let mut future = Box::pin(Scope::new().timeout(SHORT).run(async {
        ready_after(1, ()).await;
        while count.count() < 2 {
            std::hint::spin_loop();
        }
        check()
    }));
    assert!(poll_with(&mut future, &waker).is_pending());
    assert!(matches!(poll_with(&mut future, &waker), Poll::Ready(Err(error)) if error.is_timeout()));
}

#[test]
fn check_points_look_closer_some_times_before_they_have_the_token_made() {
    let outer = CancellationToken::new();
    outer.sync_scope(|| {
        let few: Outcome = Scope::new().timeout(LONG).run_sync(|| {
            for _ in 0..4 {
                check()?;
                assert!(!is_cancelled());
            }
            assert_eq!(children(&outer), "0");
            for _ in 0..100 {
                check()?;
            }
            assert_eq!(children(&outer), "1", "a loop is worth a token");
            Ok(())
        });
        few.unwrap();
        assert_eq!(children(&outer), "0");
    });
    let mut future = Box::pin(outer.scope(Scope::new().timeout(LONG).run(async {
        ready_after(1, ()).await;
        for _ in 0..60 {
            check()?;
        }
        assert_eq!(children(&outer), "0", "a glance at the alarm is cheap");
        for _ in 0..10 {
            check()?;
        }
        assert_eq!(children(&outer), "1");
        Ok::<_, Cancelled>(())
    })));
    assert!(poll_once(&mut future).is_pending());
    assert!(matches!(poll_once(&mut future), Poll::Ready(Ok(()))));
}

#[test]
fn a_sync_scope_takes_no_place_in_the_tree_until_somebody_needs_its_token_and_ends_it_like_any_other() {
    let outer = CancellationToken::new();
    let token = outer.sync_scope(|| {
        Scope::new().name("late").run_sync(|| {
            check()?;
            assert_eq!(children(&outer), "0");
            let token = current();
            assert_eq!(children(&outer), "1");
            assert!(format!("{token:?}").contains("late"));
            Ok::<_, Cancelled>(token)
        })
    });
    assert_eq!(token.unwrap().reason().unwrap().kind(), ReasonKind::ScopeEnded);
    let mut kept = None;
    let panic = catch_unwind(AssertUnwindSafe(|| {
        outer.sync_scope(|| {
            Scope::new().run_sync(|| -> Outcome {
                kept = Some(current());
                panic!("the body")
            })
        })
    }));
    assert!(panic.is_err());
    assert_eq!(kept.unwrap().reason().unwrap().kind(), ReasonKind::Dropped);
    shield_sync(|| {
        assert_ne!(
            current(),
            CancellationToken::never(),
            "a shield has a token too, if asked"
        )
    });
}

#[test]
fn l09_a_sync_scope_does_not_start_its_body_under_whatever_is_cancelled() {
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    for scope in [
        Scope::new().parent(&cancelled),
        Scope::new().link(cancelled.clone()),
        Scope::new().timeout(Duration::ZERO),
        Scope::new().deadline(Instant::now()),
        Scope::new().until(&cancelled),
    ] {
        let outcome: Outcome = scope.run_sync(|| unreachable!("the body does not start"));
        assert!(outcome.is_err());
    }
}

#[test]
fn l19_a_timeout_counts_by_the_paused_clock_also_if_that_runs_ahead_and_the_body_takes_its_time_at_first() {
    paused_tokio().block_on(async {
        for ahead in [Duration::ZERO, LONG] {
            tokio::time::advance(ahead).await;
            let began = tokio::time::Instant::now();
            let outcome: Outcome = Scope::new()
                .timeout(LONG)
                .run(async {
                    guard(async {}).await?;
                    spin_until(Instant::now() + SHORT);
                    guard(async {}).await?;
                    sleep_for_ever().await
                })
                .await;
            assert!(outcome.unwrap_err().is_timeout());
            assert_eq!(began.elapsed(), LONG, "to the moment");
        }
    });
}
