//! Scopes that nobody has asked for their token: they have none, and must not differ from those that do.
//!
//! Such a scope looks at its parent and at the clock instead, and waits for its parent
//! (`cancelable/src/scope/origin.rs`). What is observed here is the tree: a token takes a place in it, what stands in does not.

use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use cancelable::testing::Clock;
use cancelable::{
    CancellationToken, Cancelled, ReasonKind, Scope, check, condition, current, guard, is_cancelled, race, shield,
    shield_sync,
};
use futures::stream::{FuturesUnordered, StreamExt as _};
use proptest::prelude::*;
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
    waker: &Waker,
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
fn a_pending_scope_with_a_deadline_takes_no_place_in_the_tree_before_that_has_come() {
    for is_paused in [false, true] {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(is_paused)
            .build()
            .unwrap()
            .block_on(async {
                let outer = CancellationToken::new();
                let mut future = waiting(Scope::new().parent(&outer).timeout(LONG));
                for _ in 0..3 {
                    assert!(poll_once(&mut future).is_pending());
                    assert_eq!(children(&outer), "0", "{is_paused}");
                }
            });
    }
}

#[test]
fn l20_a_scope_that_never_began_is_dropped_in_the_scope_round_it() {
    let outer = CancellationToken::new();
    let seen = Mutex::new(Vec::new());
    let dropped = OnDrop(|| seen.lock().unwrap().push(current()));
    let never = Scope::new().run(async move {
        let _dropped = dropped;
        pending::<Outcome>().await
    });
    outer.sync_scope(|| drop(never));
    assert_eq!(*seen.lock().unwrap(), std::slice::from_ref(&outer));
    assert!(!outer.is_cancelled());
}

#[test]
fn a_scope_that_listens_to_another_token_makes_its_own_when_it_is_pending_and_not_before() {
    let (outer, other) = (CancellationToken::new(), CancellationToken::new());
    let below = outer.clone();
    let mut future = Box::pin(Scope::new().parent(&outer).until(&other).run(async move {
        assert_eq!(children(&below), "0");
        pending::<Outcome>().await
    }));
    let (_, waker) = CountingWaker::new();
    assert!(poll_with(&mut future, &waker).is_pending());
    assert_eq!(children(&outer), "1");
}

#[test]
fn a_token_that_is_made_in_a_scope_below_a_given_token_needs_none_of_the_scopes_outside() {
    let [outside, given] = [CancellationToken::new(), CancellationToken::new()];
    let mut task = Box::pin(Scope::new().parent(&outside).run(async {
        let below_given = Scope::new().parent(&given).run(async {
            let inner: Outcome = Scope::new()
                .run(async {
                    assert_eq!(children(&given), "0");
                    let _token = current();
                    assert_eq!((children(&given), children(&outside)), ("1".to_owned(), "0".to_owned()));
                    Ok(())
                })
                .await;
            inner
        });
        below_given.await
    }));
    assert!(matches!(poll_once(&mut task), Poll::Ready(Ok(()))));
}

#[test]
fn a_token_that_is_made_where_the_scope_has_been_carried_needs_none_of_the_scopes_there() {
    let [outer, elsewhere] = [CancellationToken::new(), CancellationToken::new()];
    let mut polls = 0;
    let mut inner: Pin<Box<dyn Future<Output = Outcome> + Send>> = Box::pin(Scope::new().run(poll_fn(move |_| {
        polls += 1;
        if polls == 2 {
            drop(current());
        }
        Poll::Pending
    })));
    assert!(poll_inside(&outer, &mut inner, &CountingWaker::new().1).is_pending());
    let mut carried = Box::pin(elsewhere.scope(Scope::new().run(inner)));
    assert!(poll_with(&mut carried, &CountingWaker::new().1).is_pending());
    assert_eq!(
        (children(&outer), children(&elsewhere)),
        ("1".to_owned(), "0".to_owned())
    );
}

#[test]
fn a_pending_scope_below_a_deadline_that_a_thread_watches_takes_no_place_in_the_tree() {
    let outcome: Outcome = Scope::new().timeout(LONG).run_sync_with(|outer| {
        let mut future = Box::pin(Scope::new().run(pending::<Outcome>()));
        let (_, waker) = CountingWaker::new();
        assert!(poll_with(&mut future, &waker).is_pending());
        assert_eq!(children(outer), "0");
        Ok(())
    });
    outcome.unwrap();
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
fn l16_an_await_that_had_begun_fails_where_a_destructor_polls_it() {
    let seen = Arc::new(Mutex::new(None));
    let sees = Arc::clone(&seen);
    let mut future = Box::pin(Scope::new().run(async move {
        let mut waiting = Box::pin(guard(pending::<()>()));
        assert!(poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await);
        let _witness = OnDrop(move || *sees.lock().unwrap() = Some(poll_once(&mut waiting)));
        pending::<Outcome>().await
    }));
    assert!(poll_once(&mut future).is_pending());
    drop(future);
    let Some(Poll::Ready(Err(error))) = seen.lock().unwrap().take() else {
        panic!("it fails there and then")
    };
    assert_eq!(error.kind(), ReasonKind::Dropped);
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
    seen: Arc<Mutex<Vec<CancellationToken>>>,
}

impl Future for Panics {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Outcome> {
        self.polls += 1;
        if self.polls == self.in_poll {
            if self.needs_token {
                self.seen.lock().unwrap().push(current());
            }
            panic!("as it is meant to")
        }
        if self.polls > self.in_poll {
            self.seen.lock().unwrap().push(current());
        }
        Poll::Pending
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        self.seen.lock().unwrap().push(current());
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
                let is_it = |token: &CancellationToken| *token == seen[0] && kind(token) == Some(ReasonKind::Dropped);
                assert!(
                    !seen.is_empty() && seen.iter().all(is_it),
                    "in poll {in_poll}, needed: {needs_token}, polled again: {polled_again}: {seen:?}"
                );
                assert!(!outer.is_cancelled());
            }
        }
    }
}

#[test]
fn l11_a_scope_that_is_carried_out_of_the_scope_outside_waits_for_its_parent_by_itself() {
    let (outer, other) = (CancellationToken::new(), CancellationToken::new());
    let mut inner = waiting(Scope::new().timeout(LONG));
    let (first, waker) = CountingWaker::new();
    assert!(poll_inside(&outer, &mut inner, &waker).is_pending());
    assert_eq!(first.count(), 1, "what it rode on is over");
    let (second, waker) = CountingWaker::new();
    assert!(
        poll_inside(&other, &mut inner, &waker).is_pending(),
        "another scope is outside, and another task polls"
    );
    other.cancel();
    assert_eq!(second.count(), 0, "it is not the parent");
    assert!(poll_with(&mut inner, &waker).is_pending(), "and no scope at all");
    outer.cancel();
    assert_eq!(
        (first.count(), second.count()),
        (1, 1),
        "told under the waker of its last poll"
    );
    let Poll::Ready(Err(error)) = poll_with(&mut inner, &waker) else {
        panic!("it ends in the poll after the cancel")
    };
    assert!(error.belongs_to(&outer));
}

#[test]
fn l11_a_scope_that_is_carried_off_after_the_cancel_sees_it_in_its_next_poll() {
    let outer = CancellationToken::new();
    let mut inner = waiting(Scope::new());
    assert!(poll_inside(&outer, &mut inner, Waker::noop()).is_pending());
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
fn l15_of_a_timeout_and_a_deadline_the_error_names_the_earlier_one() {
    let soon = Instant::now() + SHORT;
    for (scope, expected) in [
        (Scope::new().timeout(LONG).deadline(soon), "deadline passed"),
        (Scope::new().timeout(SHORT).deadline(soon + LONG), "timed out after 3ms"),
    ] {
        let outcome: Outcome = scope.run_sync(|| {
            spin_until(Instant::now() + SHORT);
            check()
        });
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn l15_check_points_of_a_branch_see_the_deadline_outside_in_the_first_poll() {
    let branch = async {
        guard(async {}).await?;
        spin_until(Instant::now() + SHORT);
        check()
    };
    let mut future = Box::pin(Scope::new().timeout(SHORT).run(async { race([branch]).await }));
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
fn l15_a_scope_with_a_timeout_does_not_start_once_the_deadline_outside_has_passed() {
    let mut all = Box::pin(Scope::new().timeout(SHORT).run(async {
        spin_until(Instant::now() + SHORT);
        let inner: Outcome = Scope::new()
            .timeout(LONG)
            .run(async { unreachable!("it starts") })
            .await;
        inner
    }));
    assert!(matches!(poll_once(&mut all), Poll::Ready(Err(error)) if error.is_timeout()));
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
        for _ in 0..3 {
            ready_after(1, ()).await;
            guard(async {}).await?;
        }
        assert_eq!(children(&outer), "0");
        for _ in 0..10 {
            check()?;
        }
        assert_eq!(children(&outer), "1", "polls share the number");
        Ok::<_, Cancelled>(())
    })));
    while poll_once(&mut future).is_pending() {}
}

#[test]
fn check_points_of_many_polls_look_closer_no_more_often_than_those_of_one() {
    let outer = CancellationToken::new();
    let mut future = Box::pin(Scope::new().parent(&outer).timeout(LONG).run(async {
        while check().is_ok() {
            ready_after(1, ()).await;
        }
        check()
    }));
    let polls = (1..100).find(|_| poll_once(&mut future).is_ready() || children(&outer) == "1");
    assert_eq!(polls, Some(9), "the token is made by the ninth that looks");
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

// Who lives longer than whom, and who is polled by whom.

#[test]
fn l11_a_scope_is_woken_also_if_the_scope_outside_is_over_or_gone_or_new_for_each_poll() {
    let inner = || waiting(Scope::new());
    // Over in the poll in which the inner one became pending.
    let (outer, mut scope) = (CancellationToken::new(), inner());
    let (count, waker) = CountingWaker::new();
    assert!(poll_inside(&outer, &mut scope, &waker).is_pending());
    outer.cancel();
    assert_eq!(count.count(), 1);
    // New for each poll.
    let (outer, mut scope) = (CancellationToken::new(), inner());
    let token = outer.clone();
    let mut task = Box::pin(poll_fn(move |cx| pin!(token.scope(scope.as_mut())).poll(cx)));
    let (count, waker) = CountingWaker::new();
    assert!(poll_with(&mut task, &waker).is_pending());
    outer.cancel();
    assert_eq!(count.count(), 1);
    // Dropped while pending, which cancels what is below.
    let mut scope = inner();
    let (count, waker) = CountingWaker::new();
    let mut dropped = Box::pin(Scope::new().run(scope.as_mut()));
    assert!(poll_with(&mut dropped, &waker).is_pending());
    drop(dropped);
    assert!(count.count() > 0);
    assert!(matches!(poll_once(&mut scope), Poll::Ready(Err(error)) if error.kind() == ReasonKind::Dropped));
}

/// An async body that blocks its thread on async code, within one of tokio's `block_on`s: both have the same waker.
fn bridged<Fut>(
    scope: impl FnOnce(&CancellationToken) -> Scope + Send + 'static,
    cancels: bool,
    inner: impl FnOnce(mpsc::Sender<()>) -> Fut + Send + 'static,
) where
    Fut: Future<Output = Outcome> + Send,
{
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let runtime = builder.worker_threads(1).enable_all().build().unwrap();
    let (token, (polled, was_polled)) = (CancellationToken::new(), mpsc::channel());
    let canceller = cancels.then(|| {
        let token = token.clone();
        std::thread::spawn(move || {
            was_polled.recv().unwrap();
            token.cancel();
        })
    });
    let outcome = runtime.block_on(
        scope(&token)
            .run(async { tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(inner(polled))) }),
    );
    assert!(outcome.is_err());
    if let Some(canceller) = canceller {
        canceller.join().unwrap();
    }
}

/// Says when it is polled, and is pending.
fn telling(polled: mpsc::Sender<()>) -> impl Future<Output = Outcome> {
    poll_fn(move |_| {
        let _ = polled.send(());
        Poll::Pending
    })
}

#[test]
fn l11_async_code_that_is_blocked_on_inside_a_poll_is_woken_though_it_has_the_waker_of_that_poll() {
    let below = |token: &CancellationToken| Scope::new().parent(token);
    bridged(below, true, |polled| Scope::new().run(telling(polled)));
    bridged(below, true, |polled| async { guard(telling(polled)).await? });
    bridged(
        |_| Scope::new().timeout(SHORT),
        false,
        |_| Scope::new().run(sleep_for_ever()),
    );
    bridged(
        |_| Scope::new().timeout(SHORT),
        false,
        |_| async { guard(sleep_for_ever()).await? },
    );
}

#[test]
fn l15_the_deadline_outside_ends_an_inner_scope_that_is_polled_without_a_pause() {
    for pauses in [0, 1] {
        let mut future = Box::pin(Scope::new().timeout(SHORT).run(async {
            ready_after(pauses, ()).await;
            let mut inner = waiting(Scope::new());
            poll_fn(|cx| {
                loop {
                    if let Poll::Ready(outcome) = inner.as_mut().poll(cx) {
                        return Poll::Ready(outcome);
                    }
                }
            })
            .await
        }));
        let outcome = loop {
            if let Poll::Ready(outcome) = poll_once(&mut future) {
                break outcome;
            }
        };
        assert!(outcome.unwrap_err().is_timeout());
    }
}

#[test]
fn l15_a_deadline_ends_code_that_polls_a_pending_await_without_a_pause() {
    async fn busy(pauses: usize) -> Outcome {
        ready_after(pauses, ()).await;
        let mut waiting = pin!(guard(pending::<()>()));
        loop {
            if let Poll::Ready(noticed) = futures::poll!(waiting.as_mut()) {
                return noticed;
            }
        }
    }
    fn finish(future: impl Future<Output = Outcome>) {
        let mut future = Box::pin(future);
        let outcome = loop {
            if let Poll::Ready(outcome) = poll_once(&mut future) {
                break outcome;
            }
        };
        assert!(outcome.unwrap_err().is_timeout());
    }
    for pauses in [0, 1] {
        finish(Scope::new().timeout(SHORT).run(busy(pauses)));
        finish(Scope::new().timeout(SHORT).run(Scope::new().run(busy(pauses))));
        finish(shield(busy(pauses)).timeout(SHORT));
        finish(Scope::new().timeout(SHORT).run(race([busy(pauses)])));
    }
}

#[test]
fn l15_of_three_nested_deadlines_each_may_be_the_first() {
    for which in 0..3 {
        let limit = |level| if level == which { SHORT } else { LONG };
        let outcome: Outcome = futures::executor::block_on(Scope::new().name("a").timeout(limit(0)).run(async {
            ready_after(2, ()).await;
            let b = Scope::new().name("b").timeout(limit(1)).run(async {
                ready_after(2, ()).await;
                let c = Scope::new().name("c").timeout(limit(2)).run(async {
                    ready_after(2, ()).await;
                    guard(pending::<()>()).await
                });
                c.await
            });
            b.await
        }));
        let text = outcome.unwrap_err().to_string();
        assert!(text.contains(["\"a\"", "\"b\"", "\"c\""][which]), "{text}");
    }
}

#[test]
fn l15_the_deadline_outside_ends_an_inner_scope_that_was_carried_off_though_the_outer_one_is_not_polled() {
    let inner = Arc::new(Mutex::new(waiting(Scope::new())));
    let inside = Arc::clone(&inner);
    let body = poll_fn(move |cx| inside.lock().unwrap().as_mut().poll(cx));
    let mut outer = Box::pin(Scope::new().timeout(SHORT).run(body));
    assert!(poll_once(&mut outer).is_pending());
    let (count, waker) = CountingWaker::new();
    let ended = std::thread::spawn(move || {
        let mut inner = inner.lock().unwrap();
        if let Poll::Ready(outcome) = poll_with(&mut inner, &waker) {
            return Poll::Ready(outcome);
        }
        while count.count() == 0 {
            std::hint::spin_loop();
        }
        poll_with(&mut inner, &waker)
    });
    assert!(matches!(ended.join().unwrap(), Poll::Ready(Err(error)) if error.is_timeout()));
}

// Clocks.

#[test]
fn l15_the_first_check_point_after_the_deadline_fails_also_if_the_timers_thread_is_busy() {
    let busy = CancellationToken::new();
    let (entered, is_entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let held = busy.on_cancel(move |_| {
        entered.send(()).unwrap();
        let _ = may_leave.recv();
    });
    let at = Instant::now() + SHORT;
    let mut future = Box::pin(Scope::new().deadline(at).run(async {
        ready_after(1, ()).await;
        check()?;
        spin_until(at);
        check()
    }));
    assert!(poll_once(&mut future).is_pending());
    // On another thread, for if this one is held up here, what has passed by then is cancelled by who sets it.
    let set = busy.clone();
    let sets = std::thread::spawn(move || set.cancel_after(Duration::from_micros(1)));
    is_entered.recv().unwrap();
    let second = poll_once(&mut future);
    leave.send(()).unwrap();
    sets.join().unwrap();
    held.detach();
    assert!(matches!(second, Poll::Ready(Err(error)) if error.is_timeout()));
}

/// Moves tokio's paused clock in the middle of a poll.
fn advance_now(by: Duration) {
    let _ = poll_once(&mut Box::pin(tokio::time::advance(by)));
}

#[test]
fn l19_a_timeout_counts_from_the_first_poll_also_if_the_paused_clock_is_moved_in_it() {
    const TEN: Duration = Duration::from_secs(10);
    paused_tokio().block_on(async {
        let began = tokio::time::Instant::now();
        let outcome: Outcome = Scope::new()
            .timeout(TEN)
            .run(async {
                tokio::time::advance(TEN / 2).await;
                sleep_for_ever().await
            })
            .await;
        assert!(outcome.unwrap_err().is_timeout());
        assert_eq!(began.elapsed(), TEN);
        let passed: Outcome = Scope::new()
            .timeout(TEN)
            .run(async {
                advance_now(TEN * 2);
                check()
            })
            .await;
        assert!(passed.unwrap_err().is_timeout());
        let passed: Outcome = Scope::new().timeout(TEN).run_sync(|| {
            advance_now(TEN * 2);
            check()
        });
        assert!(passed.unwrap_err().is_timeout());
        let left: Result<Option<Duration>, Cancelled> = Scope::new()
            .timeout(TEN)
            .run(async {
                advance_now(TEN / 2);
                Ok(cancelable::remaining())
            })
            .await;
        assert_eq!(left.unwrap(), Some(TEN / 2));
    });
}

#[test]
fn l19_a_paused_clock_that_is_ahead_by_less_than_the_first_poll_takes_is_still_the_one() {
    paused_tokio().block_on(async {
        tokio::time::sleep(Duration::from_millis(2)).await;
        let began = tokio::time::Instant::now();
        let outcome: Outcome = Scope::new()
            .timeout(LONG)
            .run(async {
                spin_until(Instant::now() + SHORT);
                sleep_for_ever().await
            })
            .await;
        assert!(outcome.unwrap_err().is_timeout());
        assert_eq!(began.elapsed(), LONG);
    });
}

#[test]
fn l19_a_deadline_goes_by_the_clock_of_where_it_began_whatever_runtimes_are_inside() {
    let outcome: Outcome = Scope::new().timeout(SHORT).run_sync(|| {
        paused_tokio().block_on(async {
            tokio::time::sleep(LONG).await;
            check()
        })?;
        spin_until(Instant::now() + SHORT);
        check()
    });
    assert!(outcome.unwrap_err().is_timeout());
}

// User code that asks for the token which is being made.

/// Asks for the ambient token when it is woken.
struct Asking;

impl Wake for Asking {
    fn wake(self: Arc<Self>) {
        let _ = current();
    }
}

#[test]
fn l04_a_waker_that_asks_for_the_token_may_be_woken_while_that_is_being_made() {
    let waker = Waker::from(Arc::new(Asking));
    let mut future = Box::pin(Scope::new().timeout(SHORT).run_with(|_| async {
        ready_after(1, ()).await;
        Scope::new().run_sync(|| {
            loop {
                check()?;
            }
        })
    }));
    assert!(poll_with(&mut future, &waker).is_pending());
    let second: Poll<Outcome> = poll_with(&mut future, &waker);
    assert!(
        matches!(&second, Poll::Ready(Err(error)) if error.is_timeout()),
        "{second:?}"
    );
}

#[test]
fn l04_a_callback_that_asks_for_the_token_may_run_while_that_is_being_made() {
    let clock = Clock::new();
    clock.sync_scope(|| {
        let outcome: Outcome = Scope::new().timeout(LONG).run_sync_with(|outer| {
            outer.on_cancel(|_| assert!(current().is_cancelled())).detach();
            Scope::new().run_sync(|| {
                clock.advance(LONG);
                check()
            })
        });
        assert!(outcome.unwrap_err().is_timeout());
        let hand = clock.clone();
        let mut future = Box::pin(Scope::new().timeout(LONG).run_with(|outer| async move {
            outer.on_cancel(|_| assert!(current().is_cancelled())).detach();
            let inner = Scope::new().run(async move {
                hand.advance(LONG);
                check()
            });
            inner.await
        }));
        assert!(matches!(poll_once(&mut future), Poll::Ready(Err(error)) if error.is_timeout()));
    });
}

#[test]
fn a_source_may_ask_for_the_token_that_it_is_watched_for() {
    let clock = Clock::new();
    clock.sync_scope(|| {
        let asks = || {
            let _ = current();
            true
        };
        let outcome: Outcome = Scope::new().until(condition(SHORT, asks)).run_sync(|| {
            clock.advance(SHORT);
            check()
        });
        assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
    });
}

#[test]
fn l09_a_scope_whose_source_fires_as_it_begins_does_not_start_its_body() {
    let clock = Clock::new();
    clock.sync_scope(|| {
        let begun = || Scope::new().until(condition(SHORT, || true));
        let sync: Outcome = begun().run_sync(|| unreachable!("the body does not start"));
        assert!(sync.is_err());
        let body = async { unreachable!("the body does not start") };
        assert!(matches!(
            poll_once(&mut Box::pin(begun().run(body))),
            Poll::Ready(Outcome::Err(_))
        ));
    });
}

#[test]
fn l20_a_body_that_is_not_started_is_dropped_under_its_token() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    for is_sync in [true, false] {
        let parent = CancellationToken::new();
        parent.cancel();
        let remains = OnDrop(|| seen.lock().unwrap().push(kind(&current())));
        let scope = Scope::new().parent(&parent);
        let outcome: Outcome = if is_sync {
            scope.run_sync(move || {
                let _remains = remains;
                Ok(())
            })
        } else {
            futures::executor::block_on(scope.run(async move {
                let _remains = remains;
                Ok(())
            }))
        };
        assert!(outcome.is_err());
    }
    assert_eq!(*seen.lock().unwrap(), [Some(ReasonKind::Manual); 2]);
}

#[test]
fn l21_a_destructor_that_panics_after_the_value_cancels_the_token() {
    struct Ready<'a> {
        kept: &'a Mutex<Option<CancellationToken>>,
        is_second: bool,
    }

    impl Future for Ready<'_> {
        type Output = Outcome;

        fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Outcome> {
            if self.is_second {
                return Poll::Ready(Ok(()));
            }
            self.is_second = true;
            *self.kept.lock().unwrap() = Some(current());
            Poll::Pending
        }
    }

    impl Drop for Ready<'_> {
        fn drop(&mut self) {
            panic!("the destructor");
        }
    }

    let kept = Mutex::new(None);
    let is_second = false;
    let mut future = Box::pin(Scope::new().run(Ready { kept: &kept, is_second }));
    assert!(poll_once(&mut future).is_pending());
    assert!(catch_unwind(AssertUnwindSafe(|| poll_once(&mut future))).is_err());
    let _ = catch_unwind(AssertUnwindSafe(|| drop(future)));
    assert_eq!(kind(kept.lock().unwrap().as_ref().unwrap()), Some(ReasonKind::Dropped));
}

/// Where and how a scope is polled.
#[derive(Clone, Copy, Debug)]
struct Visit {
    /// Within no scope, its parent's, or another's.
    inside: usize,
    /// Which task polls.
    task: usize,
    /// What becomes of the scope outside: over in this poll, dropped after it, or kept.
    outside: usize,
    /// Does the body ask for its token?
    asks: bool,
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn l11_wherever_a_scope_has_been_polled_the_task_that_did_so_last_is_woken_by_its_parent(
        first in (0..2_usize, 0..3_usize, any::<bool>()),
        visits in prop::collection::vec((0..3_usize, 0..2_usize, 0..3_usize, any::<bool>()), 0..6),
        has_deadline in any::<bool>(),
        by_child in any::<bool>(),
    ) {
        let (parent, other) = (CancellationToken::new(), CancellationToken::new());
        let places = [None, Some(parent.clone()), Some(other.clone())];
        let tasks = [CountingWaker::new(), CountingWaker::new()];
        let asks = Arc::new(AtomicBool::new(false));
        let scope = if has_deadline { Scope::new().timeout(LONG) } else { Scope::new() };
        let asked = Arc::clone(&asks);
        let body = poll_fn(move |_| {
            if asked.load(Ordering::Relaxed) {
                let _ = current();
            }
            Poll::<Outcome>::Pending
        });
        let inner = Arc::new(Mutex::new(Box::pin(scope.run(body)) as Pin<Box<dyn Future<Output = Outcome> + Send>>));
        let mut kept = Vec::new();
        // The first poll decides whose child it is.
        let first = Visit { inside: 1, task: first.0, outside: first.1, asks: first.2 };
        let later = visits.into_iter().map(|(inside, task, outside, asks)| Visit { inside, task, outside, asks });
        let mut last = first.task;
        let mut polled_at = 0;
        for visit in std::iter::once(first).chain(later) {
            asks.store(visit.asks, Ordering::Relaxed);
            last = visit.task;
            polled_at = tasks[last].0.count();
            let waker = &tasks[visit.task].1;
            let Some(token) = &places[visit.inside] else {
                prop_assert!(poll_with(&mut inner.lock().unwrap(), waker).is_pending());
                continue;
            };
            let polled = Arc::clone(&inner);
            let is_over = visit.outside == 0;
            let mut outside = Box::pin(token.scope(poll_fn(move |cx| {
                assert!(polled.lock().unwrap().as_mut().poll(cx).is_pending());
                if is_over { Poll::Ready(()) } else { Poll::Pending }
            })));
            prop_assert_eq!(poll_with(&mut outside, waker).is_ready(), is_over);
            if visit.outside == 2 {
                kept.push(outside);
            }
        }
        if tasks[last].0.count() > polled_at {
            // What it rode on is over, so its task is to poll it once more.
            prop_assert!(poll_with(&mut inner.lock().unwrap(), &tasks[last].1).is_pending());
        }
        other.cancel();
        let before = tasks[last].0.count();
        if by_child {
            parent.child_token().cancel();
            prop_assert_eq!(tasks[last].0.count(), before, "a sibling is none of its business");
        }
        parent.cancel();
        prop_assert!(tasks[last].0.count() > before);
        let poll = poll_with(&mut inner.lock().unwrap(), &tasks[last].1);
        prop_assert!(matches!(poll, Poll::Ready(Err(error)) if error.belongs_to(&parent)));
    }
}
