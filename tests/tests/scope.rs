//! Scopes, guards and shields, written out by hand: laws L9 to L21 without the macros.

#![allow(clippy::type_complexity, reason = "written out where it is used once")]
#![allow(clippy::redundant_async_block, reason = "an unannotated layer is the point")]

use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use cancelable::__private::Site;
use cancelable::testing::Clock;
use cancelable::{
    CancelFutureExt as _, CancelReason, CancellationToken, Cancelled, ReasonKind, Scope, StreamExt as _,
    blocking_sleep, check, current, guard, is_cancelled, propagate, race, remaining, shield, shield_sync, sleep,
};
use futures::stream::{self, FuturesUnordered, StreamExt as _};
use tests::{
    CountingWaker, DropFlag, PollsInWaker, Runtime, kind, on_every_runtime, paused_tokio, poll_once, poll_with,
    ready_after, waker_that_is_cloned_with,
};

type Outcome = Result<(), Cancelled>;

/// An hour: a deadline that no test is to see.
const LONG: Duration = Duration::from_secs(3600);

fn cancelled_token() -> CancellationToken {
    let token = CancellationToken::new();
    token.cancel();
    token
}

#[test]
fn l09_every_check_point_after_the_cancel_fails() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .run_with(|token| async move {
                token.cancel();
                assert!(check().is_err());
                assert!(guard(ready(())).await.is_err());
                assert!(guard(ready(())).await.is_err(), "swallowing does not clear it");
                assert!(sleep(LONG).await.is_err());
                check()
            })
            .await;
        assert!(outcome.is_err());
    });
}

#[test]
fn l09_a_body_that_swallows_the_cancel_and_returns_a_value_has_returned_it() {
    on_every_runtime(|| async {
        let value: Result<u32, Cancelled> = Scope::new()
            .run_with(|token| async move {
                token.cancel();
                drop(guard(pending::<()>()).await);
                Ok(7)
            })
            .await;
        assert_eq!(value.unwrap(), 7);
    });
}

#[test]
fn l09_a_scope_under_a_cancelled_parent_does_not_start_its_body() {
    on_every_runtime(|| async {
        let started = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&started);
        let outcome: Outcome = Scope::new()
            .parent(&cancelled_token())
            .run(async move {
                flag.store(true, Ordering::SeqCst);
                Ok(())
            })
            .await;
        assert!(outcome.is_err());
        assert!(!started.load(Ordering::SeqCst));
    });
    let outcome: Outcome = Scope::new()
        .parent(&cancelled_token())
        .run_sync(|| unreachable!("the body must not start"));
    assert!(outcome.is_err());
}

#[test]
fn l09_a_scope_is_a_check_point_round_a_body_that_does_not_notice() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .run_with(|token| async move {
                std::thread::spawn(move || token.cancel());
                pending().await
            })
            .await;
        assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Manual);
    });
}

#[test]
fn l10_a_ready_value_is_kept_though_the_cancel_came_meanwhile() {
    let token = CancellationToken::new();
    let inner = token.clone();
    let mut future = Box::pin(token.scope(guard(poll_fn(move |_| {
        inner.cancel();
        Poll::Ready(5)
    }))));
    let Poll::Ready(value) = poll_once(&mut future) else {
        panic!("pending")
    };
    assert_eq!(value.unwrap(), 5);
}

#[test]
fn l10_a_check_before_the_first_poll_leaves_the_future_unpolled() {
    let token = cancelled_token();
    let mut future = Box::pin(token.scope(guard(poll_fn(|_| -> Poll<()> { unreachable!("polled") }))));
    assert!(matches!(poll_once(&mut future), Poll::Ready(Err(_))));
}

#[test]
fn l10_a_value_that_gets_ready_between_cancel_and_poll_is_kept() {
    let token = CancellationToken::new();
    let mut future = Box::pin(token.scope(guard(ready_after(1, 5))));
    assert!(poll_once(&mut future).is_pending());
    token.cancel();
    let Poll::Ready(value) = poll_once(&mut future) else {
        panic!("pending")
    };
    assert_eq!(value.unwrap(), 5);
}

#[test]
fn l11_a_suspended_guard_is_woken_once_and_fails_on_that_very_poll() {
    let (counter, waker) = CountingWaker::new();
    let token = CancellationToken::new();
    let mut future = Box::pin(token.scope(async {
        let deeper = async { guard(pending::<()>()).await };
        guard(deeper).await?
    }));
    assert!(poll_with(&mut future, &waker).is_pending());
    assert_eq!(counter.count(), 0);
    token.cancel();
    assert_eq!(counter.count(), 1);
    assert!(matches!(poll_with(&mut future, &waker), Poll::Ready(Err(_))));
}

#[test]
fn l11_a_cancel_in_the_middle_of_a_poll_is_not_lost_on_what_had_been_polled_by_then() {
    let token = CancellationToken::new();
    let canceller = token.clone();
    let mut future = Box::pin(token.scope(async move {
        let cancels = poll_fn(move |_| {
            canceller.cancel();
            Poll::Ready(())
        });
        futures::join!(guard(pending::<()>()), cancels).0
    }));
    let (counter, waker) = CountingWaker::new();
    assert!(poll_with(&mut future, &waker).is_pending());
    assert!(counter.count() > 0, "nobody else would wake it");
    assert!(matches!(poll_with(&mut future, &waker), Poll::Ready(Err(_))));
}

#[test]
fn l11_the_cancel_reaches_the_waker_of_the_last_poll() {
    let (first, first_waker) = CountingWaker::new();
    let (second, second_waker) = CountingWaker::new();
    let token = CancellationToken::new();
    let mut future = Box::pin(token.scope(guard(pending::<()>())));
    assert!(poll_with(&mut future, &first_waker).is_pending());
    assert!(poll_with(&mut future, &second_waker).is_pending());
    token.cancel();
    assert_eq!((first.count(), second.count()), (0, 1));
}

#[test]
fn l11_members_of_join_all_select_all_and_buffer_unordered_fail() {
    on_every_runtime(|| async {
        // join_all of more than 30 goes through FuturesUnordered, whose wakers are its own.
        for members in [2, 64] {
            let outcome: Outcome = Scope::new()
                .run_with(|token| async move {
                    std::thread::spawn(move || token.cancel());
                    let all = futures::future::join_all((0..members).map(|_| guard(pending::<()>()))).await;
                    assert_eq!(all.len(), members);
                    assert!(all.iter().all(Result::is_err));
                    Ok(())
                })
                .await;
            // The scope itself may be the one that noticed only if the members had; they were kept.
            outcome.unwrap();
        }
        let outcome: Outcome = Scope::new()
            .run_with(|token| async move {
                std::thread::spawn(move || token.cancel());
                let members = (0..3).map(|_| Box::pin(guard(pending::<()>())));
                let (first, ..) = futures::future::select_all(members).await;
                first
            })
            .await;
        assert!(outcome.is_err());
        let outcome: Result<usize, Cancelled> = Scope::new()
            .run_with(|token| async move {
                std::thread::spawn(move || token.cancel());
                let stream = futures::stream::iter(0..50).map(|_| guard(pending::<()>()));
                let all: Vec<_> = stream.buffer_unordered(40).collect().await;
                Ok(all.iter().filter(|result| result.is_err()).count())
            })
            .await;
        assert_eq!(outcome.unwrap(), 50);
    });
}

/// Logs "name unwound" when its await fails.
async fn member(name: usize, log: Arc<Mutex<Vec<usize>>>) -> Outcome {
    let result = guard(pending::<()>()).await;
    log.lock().unwrap().push(name);
    result
}

#[test]
fn l12_the_error_surfaces_at_the_innermost_check_point() {
    let token = CancellationToken::new();
    let log = Arc::new(Mutex::new(Vec::new()));
    let inner = Arc::clone(&log);
    let mut future = Box::pin(token.scope(async move {
        let middle = async {
            // Not annotated: the hold must show through.
            member(1, Arc::clone(&inner)).await
        };
        let result = guard(middle).await.expect("the inner one noticed first");
        inner.lock().unwrap().push(2);
        result
    }));
    assert!(poll_once(&mut future).is_pending());
    token.cancel();
    assert!(matches!(poll_once(&mut future), Poll::Ready(Err(_))));
    assert_eq!(*log.lock().unwrap(), [1, 2]);
}

#[test]
fn l12_a_cancel_that_comes_in_the_middle_of_a_poll_still_surfaces_at_the_innermost_check_point() {
    type Running = Pin<Box<dyn Future<Output = Outcome>>>;
    let scope: fn(CancellationToken, Arc<Mutex<Vec<usize>>>) -> Running = |token, log| {
        let canceller = token.clone();
        Box::pin(Scope::new().parent(&token).run(async move {
            // The member has been polled, under a quiet token, when its sibling's poll sees the cancel.
            let cancels = poll_fn(move |_| {
                canceller.cancel();
                Poll::Ready(())
            });
            futures::join!(member(1, log), cancels).0
        }))
    };
    for is_guarded in [false, true] {
        let log = Arc::new(Mutex::new(Vec::new()));
        let token = CancellationToken::new();
        let inside = scope(token.clone(), Arc::clone(&log));
        let mut future: Pin<Box<dyn Future<Output = Outcome>>> = if is_guarded {
            Box::pin(token.scope(async move { guard(inside).await? }))
        } else {
            inside
        };
        let (counter, waker) = CountingWaker::new();
        if poll_with(&mut future, &waker).is_pending() {
            assert!(counter.count() > 0, "the task goes on by itself");
            assert!(poll_with(&mut future, &waker).is_ready());
        }
        assert_eq!(*log.lock().unwrap(), [1], "unwound, not dropped");
    }
}

#[test]
fn l12_a_pending_foreign_future_is_dropped_there_and_then() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let flag = DropFlag(Arc::clone(&dropped));
    let token = CancellationToken::new();
    let mut future = Box::pin(token.scope(async move {
        let foreign = async move {
            let _flag = flag;
            pending::<()>().await;
        };
        guard(foreign).await
    }));
    assert!(poll_once(&mut future).is_pending());
    token.cancel();
    assert!(matches!(poll_once(&mut future), Poll::Ready(Err(_))));
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn l12_members_not_yet_woken_are_not_dropped_by_an_executor_that_polls_inside_the_waker() {
    for members in [1, 2, 3, 40, 100] {
        let log = Arc::new(Mutex::new(Vec::new()));
        let token = CancellationToken::new();
        let inner = Arc::clone(&log);
        let task = PollsInWaker::start(token.scope(async move {
            let all = async move {
                let mut all: FuturesUnordered<_> = (0..members).map(|i| member(i, Arc::clone(&inner))).collect();
                while let Some(result) = all.next().await {
                    assert!(result.is_err());
                }
            };
            // The outer check point, which must wait for every member.
            guard(all).await
        }));
        assert!(task.take_output().is_none());
        token.cancel();
        assert!(task.take_output().is_some(), "{members} members: still running");
        let mut unwound = log.lock().unwrap().clone();
        unwound.sort_unstable();
        assert_eq!(unwound, (0..members).collect::<Vec<_>>());
    }
}

#[test]
fn l12_a_member_parked_in_a_futures_unordered_that_nobody_polls_does_not_hold_the_cancel_up() {
    on_every_runtime(|| async {
        let dropped = Arc::new(AtomicUsize::new(0));
        let flag = DropFlag(Arc::clone(&dropped));
        let (parked, wait) = mpsc::channel();
        let outcome: Outcome = Scope::new()
            .run_with(|token| async move {
                std::thread::spawn(move || {
                    wait.recv().expect("the body parks");
                    token.cancel();
                });
                let body = async move {
                    let mut all = FuturesUnordered::new();
                    all.push(async move {
                        let _flag = flag;
                        guard(pending::<()>()).await
                    });
                    assert!(futures::poll!(all.next()).is_pending());
                    parked.send(()).expect("the canceller waits");
                    // Unannotated code awaits something else; nobody polls the member again.
                    pending::<()>().await;
                };
                guard(body).await
            })
            .await;
        assert!(outcome.is_err());
        assert_eq!(dropped.load(Ordering::SeqCst), 1);
    });
}

/// Never at an end, and always about to be.
fn busy() -> Pin<Box<dyn Future<Output = Outcome>>> {
    Box::pin(ready_after(usize::MAX, Ok(())))
}

#[test]
fn l12_a_member_whose_turn_comes_after_busy_ones_is_not_dropped() {
    // A `FuturesUnordered` goes no further once two of its members have woken themselves.
    for busy_members in 0..20 {
        let log = Arc::new(Mutex::new(Vec::new()));
        let token = CancellationToken::new();
        let mut all: FuturesUnordered<Pin<Box<dyn Future<Output = Outcome>>>> = FuturesUnordered::new();
        all.push(Box::pin(member(1, Arc::clone(&log))));
        let mut future = Box::pin(token.scope(async move {
            guard(async move {
                assert!(futures::poll!(all.next()).is_pending(), "the member is suspended");
                for _ in 0..busy_members {
                    all.push(busy());
                }
                while all.next().await.is_some() {}
            })
            .await
        }));
        assert!(poll_once(&mut future).is_pending());
        token.cancel();
        let polls = (0..20).find(|_| poll_once(&mut future).is_ready());
        assert!(polls.is_some(), "held up by {busy_members} busy members");
        assert_eq!(*log.lock().unwrap(), [1], "dropped behind {busy_members} busy members");
    }
}

#[test]
fn l12_a_member_that_cancels_in_its_first_poll_gets_another() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let inner = Arc::clone(&log);
    let token = CancellationToken::new();
    let canceller = token.clone();
    let cancels = async move {
        let result = guard(async {
            canceller.cancel();
            pending::<()>().await;
        })
        .await;
        inner.lock().unwrap().push(1);
        result
    };
    let mut all: FuturesUnordered<Pin<Box<dyn Future<Output = Outcome>>>> = FuturesUnordered::new();
    all.push(busy());
    all.push(Box::pin(cancels));
    all.push(busy());
    all.push(busy());
    let mut future = Box::pin(token.scope(guard(async { while all.next().await.is_some() {} })));
    let polls = (0..20).find(|_| poll_once(&mut future).is_ready());
    assert!(polls.is_some(), "held up");
    assert_eq!(*log.lock().unwrap(), [1], "dropped before its turn");
}

#[test]
fn l12_a_member_whose_turn_comes_after_one_that_finishes_is_not_dropped() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let token = CancellationToken::new();
    let mut all: FuturesUnordered<Pin<Box<dyn Future<Output = Outcome>>>> = FuturesUnordered::new();
    all.push(Box::pin(member(1, Arc::clone(&log))));
    let mut future = Box::pin(token.scope(async move {
        guard(async move {
            assert!(futures::poll!(all.next()).is_pending(), "the member is suspended");
            // Two of them stop the others' turn, and one holds the cancel off until its last poll.
            all.push(busy());
            all.push(Box::pin(async { Site.finish(ready_after(1, Ok(())), || ()).await? }));
            all.push(busy());
            while all.next().await.is_some() {}
        })
        .await
    }));
    assert!(poll_once(&mut future).is_pending());
    token.cancel();
    let polls = (0..20).find(|_| poll_once(&mut future).is_ready());
    assert!(polls.is_some(), "held up");
    assert_eq!(*log.lock().unwrap(), [1], "dropped before its turn");
}

#[test]
fn l12_a_member_that_waits_for_what_is_inside_it_is_told_before_what_is_outside() {
    for (members, is_scope) in (1..5).flat_map(|members| [(members, false), (members, true)]) {
        let log = Arc::new(Mutex::new(Vec::new()));
        let inner = Arc::clone(&log);
        let token = CancellationToken::new();
        let ambient = token.child_token();
        let task = PollsInWaker::start(
            async move {
                let mut all: FuturesUnordered<Pin<Box<dyn Future<Output = ()> + Send>>> = FuturesUnordered::new();
                for number in 0..members {
                    all.push(Box::pin(async {
                        let _: Outcome = Scope::new().run(pending()).await;
                    }));
                    let (log, ambient) = (Arc::clone(&inner), ambient.clone());
                    all.push(Box::pin(async move {
                        // Something that is told under a waker of its own, but does not get out by itself.
                        let inside = ambient.scope(pending::<()>());
                        let result: Outcome = if is_scope {
                            let mut inside = FuturesUnordered::from_iter([Box::pin(inside)]);
                            let body = async {
                                inside.next().await;
                                Ok(())
                            };
                            Scope::new().run(body).await
                        } else {
                            guard(inside).await
                        };
                        log.lock().unwrap().push(number);
                        drop(result);
                    }));
                }
                while all.next().await.is_some() {}
            }
            .with_cancellation(&token),
        );
        token.cancel();
        assert!(task.take_output().is_some(), "held up");
        assert_eq!(log.lock().unwrap().len(), members, "dropped untold");
    }
}

/// One member under a waker of its own, whose owner polls it in its first poll and then not before the third.
fn in_turns(mut member: Pin<Box<dyn Future<Output = Outcome>>>, waker: Waker) -> impl Future<Output = Outcome> {
    let mut turn = 0;
    poll_fn(move |cx| {
        turn += 1;
        if turn == 2 {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        member.as_mut().poll(&mut Context::from_waker(&waker))
    })
}

/// What a member may have round its await, and what it is called.
type Wrap = (
    &'static str,
    fn(Pin<Box<dyn Future<Output = Outcome>>>, &CancellationToken) -> Pin<Box<dyn Future<Output = Outcome>>>,
);

const WRAPS: [Wrap; 7] = [
    ("guard", |member, _| Box::pin(async { guard(member).await? })),
    ("scope", |member, _| Box::pin(Scope::new().run(member))),
    ("scope with a timeout", |member, _| {
        Box::pin(Scope::new().timeout(LONG).run(member))
    }),
    ("with_cancellation", |member, token| {
        let member = member.with_cancellation(token);
        Box::pin(async { member.await? })
    }),
    ("token.scope", |member, token| Box::pin(token.scope(member))),
    ("race", |member, _| Box::pin(race([member]))),
    ("scope in a race", |member, _| {
        Box::pin(race([Scope::new().run(member)]))
    }),
];

#[test]
fn l12_a_cancel_that_comes_while_a_member_registers_still_surfaces_inside_it() {
    for (name, wrap) in WRAPS {
        let log = Arc::new(Mutex::new(Vec::new()));
        let token = CancellationToken::new();
        let canceller = token.clone();
        // A waker is cloned where a task is about to register: after it has looked at the token, and before it is listed.
        let waker = waker_that_is_cloned_with(move || canceller.cancel());
        let member = wrap(Box::pin(member(1, Arc::clone(&log))), &token);
        let mut future = Box::pin(in_turns(member, waker).with_cancellation(&token));
        assert!(poll_once(&mut future).is_pending(), "{name}");
        assert!(token.is_cancelled(), "{name}: nobody has registered");
        let polls = (0..20).find(|_| poll_once(&mut future).is_ready());
        assert!(polls.is_some(), "{name}: held up");
        assert_eq!(*log.lock().unwrap(), [1], "{name}: dropped untold");
    }
}

#[test]
fn l12_a_cancel_that_comes_in_the_first_poll_of_a_member_still_surfaces_inside_it() {
    for (name, wrap) in WRAPS {
        let log = Arc::new(Mutex::new(Vec::new()));
        let token = CancellationToken::new();
        let canceller = token.clone();
        let cancels = async move { canceller.cancel() };
        let both = futures::future::join(member(1, Arc::clone(&log)), cancels);
        let member = wrap(Box::pin(async { both.await.0 }), &token);
        let (_, waker) = CountingWaker::new();
        let mut future = Box::pin(in_turns(member, waker).with_cancellation(&token));
        assert!(poll_once(&mut future).is_pending(), "{name}");
        let polls = (0..20).find(|_| poll_once(&mut future).is_ready());
        assert!(polls.is_some(), "{name}: held up");
        assert_eq!(*log.lock().unwrap(), [1], "{name}: dropped untold");
    }
}

#[test]
fn l13_inside_a_shield_no_check_point_fails_and_after_it_the_next_one_does() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .run_with(|token| async move {
                token.cancel();
                let inside = shield(async {
                    assert!(check().is_ok());
                    assert_ne!(current(), CancellationToken::never());
                    guard(ready_after(3, ())).await?;
                    sleep(Duration::from_millis(1)).await
                })
                .await;
                assert!(inside.is_ok(), "a shield begun after the cancel still runs");
                assert!(shield_sync(check).is_ok());
                check()
            })
            .await;
        assert!(outcome.is_err());
    });
}

#[test]
fn l13_outer_check_points_wait_for_a_pending_shield_through_unannotated_functions() {
    let token = CancellationToken::new();
    let (open, gate) = futures::channel::oneshot::channel::<()>();
    let log = Arc::new(Mutex::new(Vec::new()));
    let inner = Arc::clone(&log);
    let (counter, waker) = CountingWaker::new();
    let mut future = Box::pin(
        async move {
            let plain = async move {
                shield(async move {
                    gate.await.unwrap();
                    inner.lock().unwrap().push("cleaned up");
                })
                .await;
                // Unannotated code goes on to something foreign: now the outer one may fail.
                pending::<()>().await;
            };
            guard(plain).await
        }
        .with_cancellation(&token),
    );
    assert!(poll_with(&mut future, &waker).is_pending());
    token.cancel();
    assert!(poll_with(&mut future, &waker).is_pending(), "held by the shield");
    assert!(log.lock().unwrap().is_empty());
    let woken = counter.count();
    open.send(()).unwrap();
    assert!(counter.count() > woken);
    assert!(poll_with(&mut future, &waker).is_ready());
    assert_eq!(*log.lock().unwrap(), ["cleaned up"]);
}

#[test]
fn l13_a_shield_has_a_token_and_a_deadline_of_its_own() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .timeout(LONG)
            .run(async {
                assert!(remaining().is_some());
                let outer = current();
                let mut shield_token = CancellationToken::never();
                shield(async {
                    assert!(remaining().is_none(), "its own");
                    shield_token = current();
                    assert_ne!(shield_token, outer);
                })
                .await;
                assert_eq!(shield_token.reason().unwrap().kind(), ReasonKind::ScopeEnded);
                let bounded: Outcome = shield(async {
                    assert!(remaining().unwrap() < LONG);
                    guard(pending()).await?
                })
                .timeout(Duration::from_millis(5))
                .await;
                assert!(bounded.unwrap_err().is_timeout());
                check()
            })
            .await;
        outcome.unwrap();
    });
}

#[test]
fn l14_a_body_that_outstays_its_grace_is_dropped_and_the_error_says_so() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .grace(Duration::from_millis(5))
            .run_with(|token| async move {
                token.cancel();
                shield(pending::<()>()).await;
                Ok(())
            })
            .await;
        let error = outcome.unwrap_err();
        assert!(error.was_forced());
        assert_eq!(error.kind(), ReasonKind::Manual);
    });
}

#[test]
fn l14_a_body_that_need_not_be_waited_for_is_not_forced() {
    for grace in [None, Some(LONG)] {
        let token = CancellationToken::new();
        let mut task = Box::pin(Scope::new().parent(&token).grace(grace).run(pending::<Outcome>()));
        assert!(poll_once(&mut task).is_pending());
        token.cancel();
        let Poll::Ready(outcome) = poll_once(&mut task) else {
            panic!("nothing inside is to be waited for")
        };
        assert!(!outcome.unwrap_err().was_forced());
    }
}

#[test]
fn l14_a_body_that_is_out_in_time_is_not_forced() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .grace(LONG)
            .run_with(|token| async move {
                token.cancel();
                shield(ready_after(2, ())).await;
                check()
            })
            .await;
        assert!(!outcome.unwrap_err().was_forced());
    });
}

#[test]
fn l15_the_effective_deadline_is_the_earliest_and_the_error_names_its_scope() {
    on_every_runtime(|| async {
        let (tell, told) = mpsc::channel();
        let outer: Outcome = Scope::new()
            .name("outer")
            .timeout(Duration::from_millis(10))
            .run_with(|outer| async move {
                let inner: Outcome = Scope::new()
                    .name("inner")
                    .timeout(LONG)
                    .run_with(|inner| async move {
                        assert!(remaining().unwrap() < Duration::from_secs(1));
                        let error = guard(pending::<()>()).await.unwrap_err();
                        tell.send((error.belongs_to(&outer), error.belongs_to(&inner))).unwrap();
                        Err(error)
                    })
                    .await;
                inner
            })
            .await;
        let error = outer.unwrap_err();
        assert!(error.is_timeout());
        assert_eq!(error.scope_name(), Some("outer"), "whose deadline it was");
        assert_eq!(error.scope_path().to_string(), "outer > inner", "where it was noticed");
        assert!(
            error.to_string().contains("timed out after 10ms (scope \"outer\")"),
            "{error}"
        );
        assert_eq!(told.recv().unwrap(), (true, false));
    });
}

#[test]
fn l15_a_deadline_in_the_past_cancels_before_the_body() {
    on_every_runtime(|| async {
        for scope in [
            Scope::new().timeout(Duration::ZERO),
            Scope::new().deadline(Instant::now() - Duration::from_millis(1)),
        ] {
            let outcome: Outcome = scope.run(async { unreachable!("started") }).await;
            assert!(outcome.unwrap_err().is_timeout());
        }
    });
}

#[test]
fn l15_duration_max_is_no_deadline() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .timeout(Duration::MAX)
            .run(async {
                assert_eq!(remaining(), None);
                check()
            })
            .await;
        outcome.unwrap();
    });
}

#[test]
fn l15_a_deadline_ends_a_cpu_loop_that_never_yields() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .timeout(Duration::from_millis(10))
            .run(async {
                loop {
                    check()?;
                }
            })
            .await;
        assert!(outcome.unwrap_err().is_timeout());
        // In a child scope, in a sync scope, and through a mere handle too.
        let outcome: Outcome = Scope::new()
            .timeout(Duration::from_millis(10))
            .run(async {
                Scope::new().name("child").run_sync(|| {
                    loop {
                        check()?
                    }
                })
            })
            .await;
        assert!(outcome.unwrap_err().is_timeout());
        let outcome: Outcome = Scope::new().timeout(Duration::from_millis(10)).run_sync_with(|token| {
            let token = token.clone();
            loop {
                token.check()?;
            }
        });
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn l15_a_timeout_counts_from_the_first_poll() {
    let future = Scope::new().timeout(Duration::from_millis(20)).run(async {
        let left = remaining().expect("a deadline");
        assert!(left > Duration::from_millis(5), "{left:?}");
        Ok::<(), Cancelled>(())
    });
    // Long past, had it counted from where it was written.
    std::thread::sleep(Duration::from_millis(40));
    futures::executor::block_on(future).unwrap();
}

#[test]
fn l15_a_runtime_that_goes_away_does_not_take_a_deadline_with_it() {
    let token = CancellationToken::new();
    let mut future = Box::pin(
        Scope::new()
            .parent(&token)
            .timeout(Duration::from_millis(20))
            .run(async { guard(pending::<()>()).await }),
    );
    Runtime::TokioCurrentThread.run(async {});
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        assert!(futures::poll!(&mut future).is_pending());
    });
    drop(runtime);
    assert!(futures::executor::block_on(future).unwrap_err().is_timeout());
}

#[test]
fn l16_a_dropped_scope_cancels_its_token_and_its_threads() {
    let (tell, told) = mpsc::channel();
    let mut future = Box::pin(Scope::new().run(async move {
        let worker = std::thread::spawn(propagate(|| -> Outcome {
            loop {
                check()?;
            }
        }));
        tell.send(worker).unwrap();
        pending::<Outcome>().await
    }));
    assert!(poll_once(&mut future).is_pending());
    drop(future);
    let error = told.recv().unwrap().join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ReasonKind::Dropped);
}

#[test]
fn l16_destructors_of_a_dropped_body_see_their_token_cancelled() {
    struct SeesDropped(Arc<AtomicBool>);
    impl Drop for SeesDropped {
        fn drop(&mut self) {
            let kind = current().reason().map(|reason| reason.kind());
            self.0.store(kind == Some(ReasonKind::Dropped), Ordering::SeqCst);
        }
    }
    let seen = Arc::new(AtomicBool::new(false));
    let witness = SeesDropped(Arc::clone(&seen));
    let mut future = Box::pin(Scope::new().run(async move {
        let _witness = witness;
        pending::<Outcome>().await
    }));
    assert!(poll_once(&mut future).is_pending());
    drop(future);
    assert!(seen.load(Ordering::SeqCst));
}

#[test]
fn l17_a_scope_that_returned_cancels_stragglers_and_leaves_nothing_behind() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        let straggler = Scope::new()
            .parent(&token)
            .timeout(LONG)
            .run_with(|own| async move {
                guard(ready_after(1, ())).await.ok()?;
                Some(own)
            })
            .await
            .unwrap();
        assert_eq!(straggler.reason().unwrap().kind(), ReasonKind::ScopeEnded);
        assert!(!token.is_cancelled());
        assert!(format!("{token:?}").contains("children: 0"), "{token:?}");
    });
}

#[test]
fn l17_a_scope_that_returned_cancels_a_child_though_nobody_holds_its_own_token() {
    let child = || Ok::<_, Cancelled>(current().child_token());
    let of_sync = Scope::new().run_sync(child).unwrap();
    assert_eq!(kind(&of_sync), Some(ReasonKind::ScopeEnded));
    on_every_runtime(move || async move {
        let at_once = Scope::new().run(async { child() }).await.unwrap();
        assert_eq!(kind(&at_once), Some(ReasonKind::ScopeEnded), "in one poll");
        let later = Scope::new().run(async {
            let child = child()?;
            guard(ready_after(1, ())).await?;
            Ok::<_, Cancelled>(child)
        });
        assert_eq!(kind(&later.await.unwrap()), Some(ReasonKind::ScopeEnded), "in two");
    });
}

#[test]
fn l17_a_scope_that_returned_tells_whoever_waits_for_it_though_nobody_holds_its_token() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tells = Arc::clone(&told);
    let register = move || {
        let tells = Arc::clone(&tells);
        current()
            .on_cancel(move |reason| tells.lock().unwrap().push(reason.kind()))
            .detach();
        Ok::<_, Cancelled>(())
    };
    Scope::new().run_sync(&register).unwrap();
    assert_eq!(*told.lock().unwrap(), [ReasonKind::ScopeEnded]);
    on_every_runtime(move || {
        let (register, told) = (register.clone(), Arc::clone(&told));
        async move {
            told.lock().unwrap().clear();
            Scope::new().run(async { register() }).await.unwrap();
            let later = Scope::new().run(async {
                register()?;
                guard(ready_after(1, ())).await
            });
            later.await.unwrap();
            assert_eq!(
                *told.lock().unwrap(),
                [ReasonKind::ScopeEnded; 2],
                "in one poll and in two"
            );
        }
    });
}

#[test]
fn l17_what_a_finished_body_leaves_is_dropped_before_the_scope_ends() {
    let (tell, told) = mpsc::channel();
    for polls in 0..3 {
        let (witness, mut stragglers) = (tell.clone(), Vec::new());
        let mut witnesses = Vec::new();
        let mut left = polls;
        // What a future has in it goes with it, not with its last poll.
        let mut future = Box::pin(Scope::new().run(poll_fn(move |cx| {
            if witnesses.is_empty() {
                witnesses.push(SeesOwnToken::new(&witness));
                stragglers.push(current());
            }
            if left == 0 {
                return Poll::Ready(Ok::<_, Cancelled>(stragglers.pop()));
            }
            left -= 1;
            cx.waker().wake_by_ref();
            Poll::Pending
        })));
        let straggler = loop {
            if let Poll::Ready(straggler) = poll_once(&mut future) {
                break straggler.unwrap().unwrap();
            }
        };
        assert_eq!(told.try_iter().collect::<Vec<_>>(), [(true, None)], "{polls}");
        assert_eq!(kind(&straggler), Some(ReasonKind::ScopeEnded));
    }
}

#[test]
fn l18_without_a_scope_nothing_happens() {
    on_every_runtime(|| async {
        assert!(check().is_ok());
        assert!(!is_cancelled());
        assert_eq!(remaining(), None);
        assert_eq!(guard(ready_after(2, 3)).await.unwrap(), 3);
        assert_eq!(propagate(current)(), CancellationToken::never());
        assert!(blocking_sleep(Duration::from_millis(1)).is_ok());
        assert!(sleep(Duration::from_millis(1)).await.is_ok());
    });
}

#[test]
fn l19_under_a_paused_clock_deadlines_follow_that_clock() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let before = tokio::time::Instant::now();
        let outcome: Outcome = Scope::new().timeout(LONG).run(async { guard(pending()).await? }).await;
        assert!(outcome.unwrap_err().is_timeout());
        assert_eq!(before.elapsed().as_secs(), 3600);

        sleep(LONG).await.unwrap();
        assert_eq!(before.elapsed().as_secs(), 7200);

        // Wall time does not count.
        let (tell, told) = mpsc::channel();
        let outcome: Outcome = Scope::new()
            .timeout(Duration::from_millis(1))
            .run(async move {
                std::thread::sleep(Duration::from_millis(5));
                tell.send(check().is_ok()).unwrap();
                guard(tokio::time::advance(Duration::from_millis(2))).await?;
                check()
            })
            .await;
        assert!(told.recv().unwrap());
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn l20_the_outer_token_is_back_after_every_way_out() {
    let outer = CancellationToken::new();
    outer.sync_scope(|| {
        let _: Outcome = Scope::new().run_sync(|| {
            assert_ne!(current(), outer);
            Ok(())
        });
        assert_eq!(current(), outer);
        let _: Outcome = Scope::new().run_sync_with(|token| {
            token.cancel();
            check()?;
            Ok(())
        });
        assert_eq!(current(), outer);
        let panicked = catch_unwind(|| Scope::new().run_sync(|| -> Outcome { panic!("on purpose") }));
        assert!(panicked.is_err());
        assert_eq!(current(), outer);
        let mut future = Box::pin(Scope::new().run(async { pending::<Outcome>().await }));
        assert!(poll_once(&mut future).is_pending());
        assert_eq!(current(), outer);
        drop(future);
        assert_eq!(current(), outer);
    });
    assert_eq!(current(), CancellationToken::never());
}

#[test]
fn l20_a_future_that_moves_between_threads_takes_its_token_along() {
    let token = CancellationToken::new();
    let mut future = Box::pin(token.scope(async {
        let here = current();
        guard(ready_after(1, ())).await.unwrap();
        (here, current())
    }));
    assert!(poll_once(&mut future).is_pending());
    let poll = std::thread::spawn(move || poll_once(&mut future)).join().unwrap();
    let Poll::Ready((before, after)) = poll else {
        panic!("pending")
    };
    assert_eq!((&before, &after), (&token, &token));
    assert_eq!(current(), CancellationToken::never());
}

#[test]
fn l21_a_panic_passes_and_cancels_the_token() {
    on_every_runtime(|| async {
        let (tell, told) = mpsc::channel();
        let outer = CancellationToken::new();
        let body = Scope::new().run_with(|token| async move {
            tell.send(token).unwrap();
            guard(ready_after(1, ())).await.unwrap();
            if is_cancelled() {
                return Ok(());
            }
            panic!("on purpose")
        });
        let mut body: Pin<Box<dyn Future<Output = Outcome> + Send>> = Box::pin(body);
        let scoped = outer.clone();
        let panicked = scoped
            .scope(poll_fn(|cx| {
                match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx))) {
                    Ok(poll) => poll.map(|_| false),
                    Err(_) => {
                        assert_eq!(current(), outer);
                        Poll::Ready(true)
                    }
                }
            }))
            .await;
        assert!(panicked);
        assert_eq!(told.recv().unwrap().reason().unwrap().kind(), ReasonKind::Dropped);
    });
}

/// Is the ambient token of its destructor the one that was ambient when it was made? Says why that is cancelled, if it is.
struct SeesOwnToken {
    token: CancellationToken,
    seen: mpsc::Sender<(bool, Option<ReasonKind>)>,
}

impl SeesOwnToken {
    fn new(seen: &mpsc::Sender<(bool, Option<ReasonKind>)>) -> Self {
        Self {
            token: current(),
            seen: seen.clone(),
        }
    }
}

impl Drop for SeesOwnToken {
    fn drop(&mut self) {
        let kind = current().reason().map(|reason| reason.kind());
        self.seen.send((current() == self.token, kind)).unwrap();
    }
}

#[test]
fn l09_a_sync_scope_fails_at_every_check_and_keeps_a_value() {
    let value: Result<u32, Cancelled> = Scope::new().run_sync_with(|token| {
        token.cancel();
        assert!(check().is_err() && check().is_err());
        Ok(7)
    });
    assert_eq!(value.unwrap(), 7);
}

#[test]
fn l10_an_await_that_has_to_finish_asks_before_it_starts_and_not_again() {
    let token = CancellationToken::new();
    let mut future = Box::pin(token.scope(async {
        let value = Site.finish(ready_after(2, 5), || ()).await;
        (
            value,
            Site.finish(poll_fn(|_| -> Poll<()> { unreachable!("polled") }), || ())
                .await,
        )
    }));
    assert!(poll_once(&mut future).is_pending());
    token.cancel();
    assert!(poll_once(&mut future).is_pending());
    let Poll::Ready((value, next)) = poll_once(&mut future) else {
        panic!("pending")
    };
    assert_eq!(value.unwrap(), 5);
    assert!(next.is_err());
}

#[test]
fn l11_an_await_that_comes_back_under_the_scopes_own_waker_is_told_by_the_scope() {
    let (foreign, foreign_waker) = CountingWaker::new();
    let (own, own_waker) = CountingWaker::new();
    let token = CancellationToken::new();
    let mut first = true;
    let mut inner = Box::pin(guard(pending::<()>()));
    let mut future = Box::pin(token.scope(guard(poll_fn(move |cx| {
        if std::mem::take(&mut first) {
            return inner.as_mut().poll(&mut Context::from_waker(&foreign_waker));
        }
        inner.as_mut().poll(cx)
    }))));
    assert!(poll_with(&mut future, &own_waker).is_pending());
    assert!(poll_with(&mut future, &own_waker).is_pending());
    token.cancel();
    assert_eq!((foreign.count(), own.count()), (0, 1));
    assert!(matches!(poll_with(&mut future, &own_waker), Poll::Ready(Ok(Err(_)))));
}

#[test]
fn l12_members_parked_in_a_buffer_while_its_consumer_waits_do_not_hold_the_cancel_up() {
    on_every_runtime(|| async {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (parked, wait) = mpsc::channel();
        let flags: Vec<_> = (0..3).map(|_| DropFlag(Arc::clone(&dropped))).collect();
        let outcome: Outcome = Scope::new()
            .run_with(|token| async move {
                std::thread::spawn(move || {
                    wait.recv().expect("the body parks");
                    token.cancel();
                });
                let consumer = async move {
                    let stream = futures::stream::iter(flags)
                        .enumerate()
                        .map(|(number, flag)| async move {
                            let _flag = flag;
                            if number > 0 {
                                guard(pending::<()>()).await?;
                            }
                            Ok::<_, Cancelled>(number)
                        });
                    let mut buffer = stream.buffer_unordered(3);
                    assert_eq!(buffer.next().await.unwrap().unwrap(), 0);
                    assert!(futures::poll!(buffer.next()).is_pending(), "the others wait");
                    parked.send(()).expect("the canceller waits");
                    pending::<()>().await;
                };
                guard(consumer).await
            })
            .await;
        assert!(outcome.is_err());
        assert_eq!(dropped.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn l12_a_shield_that_began_where_a_panic_passed_holds_what_is_outside_the_panic() {
    let (token, inner) = (CancellationToken::new(), CancellationToken::new());
    let (gate, opened) = futures::channel::oneshot::channel();
    let body = async move {
        let mut shielded = Box::pin(shield(opened));
        poll_fn(|cx| {
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                inner.sync_scope(|| {
                    assert!(shielded.as_mut().poll(cx).is_pending());
                    panic!("on purpose");
                });
            }));
            assert!(unwound.is_err());
            Poll::Ready(())
        })
        .await;
        shielded.await
    };
    let mut task = Box::pin(token.scope(guard(body)));
    assert!(poll_once(&mut task).is_pending());
    token.cancel();
    for _ in 0..3 {
        assert!(poll_once(&mut task).is_pending(), "in its shield");
    }
    gate.send("safe").unwrap();
    let Poll::Ready(Ok(Ok(value))) = poll_once(&mut task) else {
        panic!("the shield has run to its end")
    };
    assert_eq!(value, "safe");
}

/// A waker made of a closure.
struct WakeFn<F>(F);

impl<F: Fn() + Send + Sync + 'static> Wake for WakeFn<F> {
    fn wake(self: Arc<Self>) {
        (self.0)();
    }
}

#[test]
fn l11_an_await_under_a_foreign_waker_is_woken_where_it_was_polled_last() {
    // In a sync scope no waker is the scope's.
    let poll_in = |token: &CancellationToken, task: &mut Pin<Box<_>>, waker: &Waker| {
        token.sync_scope(|| assert!(poll_with(task, waker).is_pending()));
    };
    // By another waker.
    let token = CancellationToken::new();
    let [(before, old), (after, new)] = [CountingWaker::new(), CountingWaker::new()];
    let mut task = Box::pin(guard(pending::<()>()));
    poll_in(&token, &mut task, &old);
    poll_in(&token, &mut task, &new);
    token.cancel();
    assert_eq!((before.count(), after.count()), (0, 1));

    // In another scope.
    let [left, entered] = [CancellationToken::new(), CancellationToken::new()];
    let (count, waker) = CountingWaker::new();
    let mut task = Box::pin(guard(pending::<()>()));
    poll_in(&left, &mut task, &waker);
    poll_in(&entered, &mut task, &waker);
    left.cancel();
    assert_eq!(count.count(), 0);
    entered.cancel();
    assert_eq!(count.count(), 1);
}

#[test]
fn l12_members_that_are_woken_in_the_middle_of_a_poll_are_polled_before_the_check_point_outside_fails() {
    // An await, and a scope that is a check point itself.
    for by_scope in [false, true] {
        let token = CancellationToken::new();
        let (release, released) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel::<()>();
        let noticed = Arc::new(AtomicBool::new(false));
        let notices = Arc::clone(&noticed);
        let (shows, own) = mpsc::channel();
        let (mut polls, waited) = (0, token.clone());
        let body = async move {
            shows.send(current()).unwrap();
            let mut members: FuturesUnordered<_> = [async move {
                let outcome = guard(pending::<()>()).await;
                notices.store(outcome.is_err(), Ordering::SeqCst);
            }]
            .into_iter()
            .collect();
            let cancel_goes_on = poll_fn(move |_| {
                polls += 1;
                if polls == 2 {
                    assert!(waited.is_cancelled());
                    release.send(()).unwrap();
                    told.recv().unwrap();
                }
                Poll::<()>::Pending
            });
            futures::join!(members.next(), cancel_goes_on);
            Ok::<_, Cancelled>(())
        };
        let mut task: Pin<Box<dyn Future<Output = Outcome>>> = if by_scope {
            Box::pin(Scope::new().parent(&token).run(body))
        } else {
            let guarded = token.scope(guard(body));
            Box::pin(async move { guarded.await? })
        };
        assert!(poll_once(&mut task).is_pending());

        // In front of the member among the woken: whoever cancels stays with this one.
        let (arrive, arrived) = mpsc::channel();
        let stays = Mutex::new((arrive, released));
        let stays = Waker::from(Arc::new(WakeFn(move || {
            let (arrive, released) = &*stays.lock().unwrap();
            arrive.send(()).unwrap();
            released.recv().unwrap();
        })));
        let mut in_front = Box::pin(guard(pending::<()>()));
        let own = own.recv().unwrap();
        own.sync_scope(|| assert!(poll_with(&mut in_front, &stays).is_pending()));
        let _callback = own.on_cancel(move |_| tell.send(()).unwrap());

        let canceller = token.clone();
        let canceller = std::thread::spawn(move || canceller.cancel());
        arrived.recv().unwrap();
        assert!(
            poll_once(&mut task).is_pending(),
            "the member has not been polled since"
        );
        canceller.join().unwrap();
        assert!((0..3).any(|_| poll_once(&mut task).is_ready()));
        assert!(noticed.load(Ordering::SeqCst), "innermost first, by scope: {by_scope}");
    }
}

#[test]
fn l12_a_cancel_in_the_middle_of_a_poll_leaves_what_was_polled_before_it_one_more() {
    // An await, and a scope that is a check point itself, without or with a token of its own. Each has had a shield inside, which is
    // over by then. Nor is an await in a scope with a deadline quiet.
    for (by_scope, has_token) in [(false, false), (false, true), (true, false), (true, true)] {
        let token = CancellationToken::new();
        let canceller = token.clone();
        let noticed = Arc::new(AtomicBool::new(false));
        let notices = Arc::clone(&noticed);
        let mut polls = 0;
        let body = async move {
            if has_token {
                let _ = current();
            }
            let member = async {
                let outcome = guard(pending::<()>()).await;
                notices.store(outcome.is_err(), Ordering::SeqCst);
            };
            let cancels_third = poll_fn(move |_| {
                polls += 1;
                if polls == 3 {
                    canceller.cancel();
                }
                Poll::<()>::Pending
            });
            futures::join!(shield(ready_after(1, ())), member, cancels_third);
            Ok::<_, Cancelled>(())
        };
        let mut task: Pin<Box<dyn Future<Output = Outcome>>> = if by_scope {
            Box::pin(Scope::new().parent(&token).run(body))
        } else {
            let guarded = async move { guard(body).await? };
            let timeout = has_token.then_some(LONG);
            Box::pin(token.scope(async move { Scope::new().timeout(timeout).run(guarded).await }))
        };
        for _ in 0..3 {
            assert!(poll_once(&mut task).is_pending());
        }
        assert!(poll_once(&mut task).is_ready());
        assert!(
            noticed.load(Ordering::SeqCst),
            "innermost first, by scope: {by_scope}, with a token: {has_token}"
        );
    }
}

/// It polls but some of what it has in each poll, as `FuturesUnordered` does, and is ready in the end.
#[test]
fn l10_what_is_ready_when_an_await_polls_again_to_see_whether_anything_moves_counts() {
    let token = CancellationToken::new();
    let mut member = Box::pin(guard(pending::<()>()));
    let mut polls = 0;
    let mut task = Box::pin(token.scope(guard(poll_fn(move |_| {
        polls += 1;
        match polls {
            // Under a waker of its own.
            1 => poll_once(&mut member).map(|_| 0),
            2 => Poll::Pending,
            _ => Poll::Ready(7),
        }
    }))));
    let (_, waker) = CountingWaker::new();
    assert!(poll_with(&mut task, &waker).is_pending());
    token.cancel();
    assert!(matches!(poll_with(&mut task, &waker), Poll::Ready(Ok(7))));
}

#[test]
fn l12_members_that_get_out_in_one_poll_each_are_all_let_out() {
    for by_scope in [false, true] {
        let token = CancellationToken::new();
        let noticed = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&noticed);
        let body = async move {
            let member = || {
                let counter = Arc::clone(&counter);
                let member = async move {
                    let outcome = guard(pending::<()>()).await;
                    counter.fetch_add(usize::from(outcome.is_err()), Ordering::SeqCst);
                };
                [member].into_iter().collect::<FuturesUnordered<_>>()
            };
            let mut crowds = [member(), member(), member()];
            poll_fn(|cx| {
                let polls = crowds.each_mut().map(|crowd| crowd.poll_next_unpin(cx));
                assert!(polls.iter().all(Poll::is_pending));
                Poll::Ready(())
            })
            .await;
            for crowd in &mut crowds {
                crowd.next().await;
                ready_after(1, ()).await;
            }
            Ok::<_, Cancelled>(())
        };
        let mut task: Pin<Box<dyn Future<Output = Outcome>>> = if by_scope {
            Box::pin(Scope::new().parent(&token).run(body))
        } else {
            let guarded = token.scope(guard(body));
            Box::pin(async move { guarded.await? })
        };
        assert!(poll_once(&mut task).is_pending());
        token.cancel();
        while poll_once(&mut task).is_pending() {}
        assert_eq!(noticed.load(Ordering::SeqCst), 3, "by scope: {by_scope}");
    }
}

#[test]
fn a_scope_that_is_polled_again_under_the_same_waker_clones_it_no_more() {
    let clones = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&clones);
    let waker = waker_that_is_cloned_with(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let token = CancellationToken::new();
    let mut task = Box::pin(token.scope(pending::<()>()));
    for _ in 0..5 {
        assert!(poll_with(&mut task, &waker).is_pending());
    }
    assert_eq!(clones.load(Ordering::SeqCst), 1);
}

#[test]
fn l12_a_member_that_was_dropped_or_is_done_does_not_count_with_the_check_point_outside() {
    type Member = Pin<Box<dyn Future<Output = Outcome>>>;

    // Polled once by the time it goes. Other members are dropped, the last three are done.
    let members: [fn() -> Member; 6] = [
        || Box::pin(guard(pending::<()>())),
        || Box::pin(Scope::new().run(pending())),
        || Box::pin(async { stream::pending().in_current_scope().boxed().next().await.unwrap() }),
        || Box::pin(guard(ready_after(1, ()))),
        || Box::pin(Scope::new().run(ready_after(1, Ok(())))),
        || {
            Box::pin(async {
                let item = stream::once(ready_after(1, Ok(())));
                item.in_current_scope().boxed().next().await.unwrap()
            })
        },
    ];
    for (i, member) in members.into_iter().enumerate() {
        let token = CancellationToken::new();
        let polls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&polls);
        let body = async move {
            let mut members: FuturesUnordered<_> = [member()].into_iter().collect();
            poll_fn(|cx| {
                assert!(members.poll_next_unpin(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            ready_after(1, ()).await;
            if i >= 3 {
                members.next().await.unwrap().unwrap();
            }
            drop(members);
            poll_fn(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
                Poll::<()>::Pending
            })
            .await;
        };
        let mut task = Box::pin(token.scope(guard(body)));
        for _ in 0..2 {
            assert!(poll_once(&mut task).is_pending());
        }
        token.cancel();
        assert!(matches!(poll_once(&mut task), Poll::Ready(Err(_))));
        // Were there somebody to be let out, it would be polled again and again.
        assert_eq!(polls.load(Ordering::SeqCst), 2, "{i}");
    }
}

#[test]
fn l12_a_scope_changes_its_place_among_the_woken_when_the_same_waker_becomes_foreign_or_stops_being() {
    // In a sync scope no waker is the scope's; outside any scope, all are.
    // Where the clock may be paused, every poll of a scope with a deadline looks closer.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    for (becomes_foreign, has_deadline) in [(true, false), (false, false), (true, true), (false, true)] {
        let order = Arc::new(Mutex::new(Vec::new()));
        let note = |name: &'static str| {
            let order = Arc::clone(&order);
            move || order.lock().unwrap().push(name)
        };
        let _context = has_deadline.then(|| runtime.enter());
        let (root, ambient) = (CancellationToken::new(), CancellationToken::new());
        let (tell, told) = mpsc::channel();
        let call = note("the callback");
        let body = async move {
            // Before the scope is registered for the first time, which is when this poll ends.
            let _callback = current().on_cancel(move |_| call());
            tell.send(current()).unwrap();
            pending::<Outcome>().await
        };
        let mut scope: Pin<Box<dyn Future<Output = Outcome>>> = if has_deadline {
            Box::pin(Scope::new().parent(&root).timeout(LONG).run(body))
        } else {
            Box::pin(root.scope(body))
        };
        let waker = Waker::from(Arc::new(WakeFn(note("the scope"))));
        let mut poll = |is_foreign: bool| {
            let mut poll = || poll_with(&mut scope, &waker);
            assert!(if is_foreign { ambient.sync_scope(poll) } else { poll() }.is_pending());
        };
        poll(!becomes_foreign);
        poll(becomes_foreign);
        told.recv().unwrap().cancel();
        let mut expected = ["the callback", "the scope"];
        if becomes_foreign {
            expected.reverse();
        }
        let order = order.lock().unwrap().clone();
        assert_eq!(order, expected, "{becomes_foreign} {has_deadline}");
    }
}

#[test]
fn l13_scopes_inside_a_shield_work_as_ever() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .run_with(|token| async move {
                token.cancel();
                shield(async {
                    let timed: Outcome = Scope::new()
                        .timeout(Duration::from_millis(5))
                        .run(async { guard(pending()).await? })
                        .await;
                    assert!(timed.unwrap_err().is_timeout());
                    let below: Outcome = Scope::new().parent(&token).run(async { unreachable!("started") }).await;
                    assert_eq!(below.unwrap_err().kind(), ReasonKind::Manual);
                    let sync: Outcome = Scope::new().run_sync(check);
                    sync.unwrap();
                })
                .await;
                shield_sync(|| {
                    let sync: Outcome = Scope::new()
                        .timeout(Duration::ZERO)
                        .run_sync(|| unreachable!("started"));
                    assert!(sync.unwrap_err().is_timeout());
                    shield_sync(check).unwrap();
                });
                let bounded: Outcome = Site.shield_sync_timeout(Duration::from_millis(5), || {
                    loop {
                        check()?;
                    }
                });
                assert!(bounded.unwrap_err().is_timeout());
                check()
            })
            .await;
        assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Manual);
    });
}

#[test]
fn l13_a_shield_that_is_dropped_no_longer_holds() {
    let token = CancellationToken::new();
    let mut future = Box::pin(token.scope(guard(async {
        let mut shielded = Box::pin(shield(pending::<()>()));
        assert!(futures::poll!(&mut shielded).is_pending());
        drop(shielded);
        pending::<()>().await;
    })));
    assert!(poll_once(&mut future).is_pending());
    token.cancel();
    assert!(matches!(poll_once(&mut future), Poll::Ready(Err(_))));
}

#[test]
fn l14_an_outer_grace_bounds_nested_scopes_and_an_inner_one_comes_first() {
    on_every_runtime(|| async {
        let short = Duration::from_millis(5);
        for (outer, inner, is_inner_forced) in [(Some(short), None, false), (None, Some(short), true)] {
            let seen = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&seen);
            let with = |scope: Scope, grace: Option<Duration>| match grace {
                Some(grace) => scope.grace(grace),
                None => scope,
            };
            let inner = with(Scope::new(), inner);
            let outcome: Outcome = with(Scope::new(), outer)
                .run_with(|token| async move {
                    let outcome: Outcome = inner
                        .run(async move {
                            token.cancel();
                            shield(pending::<()>()).await;
                            Ok(())
                        })
                        .await;
                    flag.store(outcome.as_ref().unwrap_err().was_forced(), Ordering::SeqCst);
                    outcome
                })
                .await;
            assert!(outcome.unwrap_err().was_forced());
            assert_eq!(seen.load(Ordering::SeqCst), is_inner_forced);
        }
    });
}

#[test]
fn l15_of_nested_deadlines_at_the_same_instant_one_claims_the_error() {
    on_every_runtime(|| async {
        let mut kinds = [false, true].into_iter();
        let mut next = kinds.next();
        while let Some(is_sync) = next {
            let at = Instant::now() + Duration::from_millis(10);
            let claims = Arc::new(Mutex::new(Vec::new()));
            let inner_claims = Arc::clone(&claims);
            let outcome: Outcome = Scope::new()
                .deadline(at)
                .run_with(|outer| async move {
                    let claims = inner_claims;
                    Scope::new()
                        .deadline(at)
                        .run_with(|inner| async move {
                            let error = if is_sync {
                                loop {
                                    if let Err(error) = check() {
                                        break error;
                                    }
                                }
                            } else {
                                guard(pending::<()>()).await.unwrap_err()
                            };
                            *claims.lock().unwrap() = vec![error.belongs_to(&outer), error.belongs_to(&inner)];
                            Err::<(), _>(error)
                        })
                        .await
                })
                .await;
            assert!(outcome.unwrap_err().is_timeout());
            let claims = claims.lock().unwrap();
            // On a busy machine the deadline may come before the inner scope begins: once more.
            if !claims.is_empty() {
                assert_eq!(claims.iter().filter(|&&claim| claim).count(), 1, "{claims:?}");
                next = kinds.next();
            }
        }
    });
}

#[test]
fn l15_an_inner_deadline_that_comes_first_ends_the_inner_scope_alone() {
    on_every_runtime(|| async {
        let outcome: Outcome = Scope::new()
            .timeout(LONG)
            .run(async {
                let inner: Outcome = Scope::new()
                    .timeout(Duration::from_millis(5))
                    .run(async {
                        assert!(remaining().unwrap() < LONG / 2);
                        guard(pending()).await?
                    })
                    .await;
                assert!(inner.unwrap_err().is_timeout());
                assert!(remaining().unwrap() > LONG / 2);
                check()
            })
            .await;
        outcome.unwrap();
    });
}

#[test]
fn l15_of_a_timeout_and_a_deadline_the_earlier_counts() {
    on_every_runtime(|| async {
        for scope in [
            Scope::new().timeout(LONG).deadline(Instant::now() + LONG * 3),
            Scope::new().timeout(LONG * 3).deadline(Instant::now() + LONG),
        ] {
            let outcome: Outcome = scope
                .run(async {
                    let left = remaining().unwrap();
                    assert!(left <= LONG && left > LONG / 2, "{left:?}");
                    check()
                })
                .await;
            outcome.unwrap();
        }
    });
}

#[test]
fn l15_a_timeout_counts_from_the_first_poll_however_many_come_before_the_token_is_needed() {
    let clock = Clock::new();
    let seconds = Duration::from_secs;
    let left = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&left);
    let scope = Scope::new().timeout(seconds(60)).run(async move {
        ready_after(2, ()).await;
        noted.lock().unwrap().push(remaining().unwrap());
        guard(pending()).await
    });
    let mut task = Box::pin(clock.scope(scope));
    for _ in 0..3 {
        assert!(poll_once(&mut task).is_pending());
        clock.advance(seconds(20));
    }
    assert_eq!(*left.lock().unwrap(), [seconds(20)], "in the third poll");
    let Poll::Ready(outcome) = poll_once(&mut task) else {
        panic!("the time is up")
    };
    let outcome: Outcome = outcome;
    assert!(outcome.unwrap_err().is_timeout());

    // By the wall's clock, without a word in between: the deadline is that of the first poll, to the nanosecond.
    let seen = Arc::new(Mutex::new(None));
    let sees = Arc::clone(&seen);
    let mut task = Box::pin(Scope::new().timeout(LONG).run(async move {
        ready_after(1, ()).await;
        *sees.lock().unwrap() = current().deadline();
        Ok::<_, Cancelled>(())
    }));
    assert!(poll_once(&mut task).is_pending());
    let after_the_first = Instant::now();
    while Instant::now() == after_the_first {}
    assert!(poll_once(&mut task).is_ready());
    let deadline = seen.lock().unwrap().expect("the scope has a deadline");
    assert!(deadline <= after_the_first + LONG);
}

#[test]
fn l15_children_and_threads_of_a_scope_that_blocks_are_ended_by_its_deadline() {
    on_every_runtime(|| async {
        // The body never goes pending, so nobody but those who hang on the token can have its deadline watched.
        let outcome: Outcome = Scope::new()
            .timeout(Duration::from_millis(10))
            .run(async {
                let (token, child) = (current(), current().child_token());
                let threads = [
                    std::thread::spawn(move || token.wait()),
                    std::thread::spawn(move || child.wait()),
                    std::thread::spawn(propagate(|| while check().is_ok() {})),
                    std::thread::spawn(propagate(|| assert!(blocking_sleep(LONG).unwrap_err().is_timeout()))),
                ];
                for thread in threads {
                    thread.join().unwrap();
                }
                check()
            })
            .await;
        assert!(outcome.unwrap_err().is_timeout());
        let (tell, told) = mpsc::channel();
        let outcome: Outcome = Scope::new().timeout(Duration::from_millis(10)).run_sync_with(|token| {
            token
                .on_cancel(move |reason| tell.send(reason.kind()).unwrap())
                .detach();
            assert_eq!(told.recv().unwrap(), ReasonKind::Timeout);
            check()
        });
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn l16_losers_of_a_select_and_aborted_tasks_cancel_their_tokens() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let body = |tell: mpsc::Sender<CancellationToken>| {
        Scope::new().run_with(|token| async move {
            tell.send(token).unwrap();
            guard(pending::<()>()).await
        })
    };
    let (tell, told) = mpsc::channel();
    runtime.block_on(async {
        tokio::select! {
            biased;
            _ = body(tell.clone()) => unreachable!("pending"),
            () = ready(()) => {}
        }
        assert_eq!(kind(&told.recv().unwrap()), Some(ReasonKind::Dropped));
        let task = tokio::spawn(body(tell.clone()));
        let token = told.recv().unwrap();
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        assert_eq!(kind(&token), Some(ReasonKind::Dropped));
        assert!(
            tokio::time::timeout(Duration::from_millis(1), body(tell))
                .await
                .is_err()
        );
        assert_eq!(kind(&told.recv().unwrap()), Some(ReasonKind::Dropped));
    });
}

#[test]
fn l16_a_scope_that_was_never_polled_leaves_nothing_to_cancel() {
    let parent = CancellationToken::new();
    drop(Scope::new().parent(&parent).run(async { pending::<Outcome>().await }));
    assert!(!parent.is_cancelled());
    assert!(format!("{parent:?}").contains("children: 0"), "{parent:?}");
}

#[test]
fn l17_whichever_way_a_scope_ends_no_waker_and_no_child_stay_behind() {
    type Ending = fn(&CancellationToken, Pin<Box<dyn Future<Output = Outcome>>>, &Waker);
    let endings: [Ending; 4] = [
        |_, mut scope, waker| while poll_with(&mut scope, waker).is_pending() {},
        |_, mut scope, waker| {
            assert!(poll_with(&mut scope, waker).is_pending());
            drop(scope);
        },
        |parent, mut scope, waker| {
            assert!(poll_with(&mut scope, waker).is_pending());
            let canceller = parent.child_token();
            canceller.cancel();
            while poll_with(&mut scope, waker).is_pending() {}
        },
        |_, mut scope, waker| {
            assert!(poll_with(&mut scope, waker).is_pending());
            assert!(poll_once(&mut scope).is_pending(), "under another waker");
            drop(scope);
        },
    ];
    for ending in endings {
        let parent = CancellationToken::new();
        let (counter, waker) = CountingWaker::new();
        let inside = || async {
            let members: FuturesUnordered<_> = (0..3).map(|_| guard(ready_after(3, ()))).collect();
            members.collect::<Vec<_>>().await;
            shield(guard(ready_after(2, ()))).await.map(drop)
        };
        let scope = Scope::new().parent(&parent).timeout(LONG).grace(LONG).run(async move {
            cancelable::race((inside(), inside())).await?;
            Scope::new().timeout(LONG).run(inside()).await
        });
        ending(&parent, Box::pin(scope), &waker);
        assert!(format!("{parent:?}").contains("children: 0"), "{parent:?}");
        drop(waker);
        assert_eq!(Arc::strong_count(&counter), 1, "a waker stayed behind");
    }
}

#[test]
fn l19_under_a_paused_clock_grace_sleep_and_nested_deadlines_follow_that_clock() {
    paused_tokio().block_on(async {
        let before = tokio::time::Instant::now();
        let outcome: Outcome = Scope::new()
            .grace(LONG)
            .run_with(|token| async move {
                token.cancel();
                shield(pending::<()>()).await;
                Ok(())
            })
            .await;
        assert!(outcome.unwrap_err().was_forced());
        assert_eq!(before.elapsed().as_secs(), LONG.as_secs());

        let before = tokio::time::Instant::now();
        let outcome: Outcome = Scope::new()
            .name("outer")
            .timeout(LONG)
            .run(async {
                let inner: Outcome = Scope::new().timeout(LONG / 2).run(async { sleep(LONG).await }).await;
                assert!(inner.unwrap_err().is_timeout());
                assert_eq!(remaining().unwrap().as_secs(), LONG.as_secs() / 2);
                sleep(LONG / 4).await?;
                let inner: Outcome = Scope::new().timeout(LONG).run(async { guard(pending()).await? }).await;
                let error = inner.unwrap_err();
                assert!(error.to_string().contains("(scope \"outer\")"), "{error}");
                Err(error)
            })
            .await;
        assert!(outcome.unwrap_err().is_timeout());
        assert_eq!(before.elapsed().as_secs(), LONG.as_secs());

        let before = tokio::time::Instant::now();
        let outcome: Outcome = shield(async { guard(pending()).await? }).timeout(LONG).await;
        assert!(outcome.unwrap_err().is_timeout());
        assert_eq!(before.elapsed().as_secs(), LONG.as_secs());
    });
}

#[test]
fn l20_destructors_of_the_body_see_its_token_whichever_way_it_ends() {
    let (tell, told) = mpsc::channel();
    let seen = || told.try_iter().collect::<Vec<_>>();
    let outer = CancellationToken::new();
    outer.sync_scope(|| {
        // It returns.
        let witness = tell.clone();
        let mut future = Box::pin(Scope::new().run(async move {
            let _witness = SeesOwnToken::new(&witness);
            ready_after(1, ()).await;
            Ok::<(), Cancelled>(())
        }));
        while poll_once(&mut future).is_pending() {}
        assert_eq!(seen(), [(true, None)]);

        // It is cancelled, and notices or does not.
        for notices in [true, false] {
            let witness = tell.clone();
            let token = CancellationToken::new();
            let mut future = Box::pin(Scope::new().parent(&token).run(async move {
                let _witness = SeesOwnToken::new(&witness);
                if notices {
                    guard(pending::<()>()).await
                } else {
                    pending::<Outcome>().await
                }
            }));
            assert!(poll_once(&mut future).is_pending());
            token.cancel();
            assert!(poll_once(&mut future).is_ready());
            assert_eq!(seen(), [(true, Some(ReasonKind::Manual))]);
        }

        // It outstays its grace.
        let witness = tell.clone();
        let mut future = Box::pin(Scope::new().grace(Duration::ZERO).run_with(|token| async move {
            let _witness = SeesOwnToken::new(&witness);
            token.cancel();
            shield(pending::<()>()).await;
            Ok::<(), Cancelled>(())
        }));
        assert!(
            poll_once(&mut future).is_pending(),
            "the cancel came in the middle of it"
        );
        assert!(poll_once(&mut future).is_ready());
        assert_eq!(seen(), [(true, Some(ReasonKind::Manual))]);

        // It loses a race.
        let witness = tell.clone();
        let loser = async move {
            let _witness = SeesOwnToken::new(&witness);
            pending().await
        };
        let mut future = Box::pin(cancelable::race((loser, ready_after(1, ()))));
        while poll_once(&mut future).is_pending() {}
        assert_eq!(seen(), [(true, Some(ReasonKind::Superseded))]);

        // It is dropped, from a shield, too.
        for shielded in [true, false] {
            let witness = tell.clone();
            let body = async move {
                let _witness = SeesOwnToken::new(&witness);
                pending::<Outcome>().await
            };
            let mut future: Pin<Box<dyn Future<Output = Outcome>>> = if shielded {
                Box::pin(shield(body))
            } else {
                Box::pin(Scope::new().run(body))
            };
            assert!(poll_once(&mut future).is_pending());
            drop(future);
            assert_eq!(seen(), [(true, Some(ReasonKind::Dropped))]);
        }

        // It panics, in its first poll or later; async or not.
        for polls in [0, 1] {
            let witness = tell.clone();
            let mut future = Box::pin(Scope::new().run(async move {
                let _witness = SeesOwnToken::new(&witness);
                ready_after(polls, ()).await;
                panic!("on purpose");
                #[expect(unreachable_code, reason = "says the type")]
                Ok::<(), Cancelled>(())
            }));
            let panicked = catch_unwind(AssertUnwindSafe(|| while poll_once(&mut future).is_pending() {}));
            assert!(panicked.is_err());
            drop(future);
            let seen = seen();
            assert_eq!(seen.len(), 1);
            assert!(seen[0].0, "under its own token");
        }
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            Scope::new().run_sync(|| -> Outcome {
                let _witness = SeesOwnToken::new(&tell);
                panic!("on purpose")
            })
        }));
        assert!(panicked.is_err());
        assert!(seen()[0].0);
        assert_eq!(current(), outer);
    });
}

#[test]
fn l21_a_panic_passes_through_nested_scopes_and_shields_and_cancels_their_tokens() {
    on_every_runtime(|| async {
        for polls in [0, 1] {
            let (tell, told) = mpsc::channel();
            let outer = CancellationToken::new();
            let panicked = outer
                .scope(async {
                    let body = Scope::new().timeout(LONG).run(async move {
                        tell.send(current()).unwrap();
                        shield(async move {
                            tell.send(current()).unwrap();
                            let inner: Outcome = Scope::new()
                                .run(async move {
                                    tell.send(current()).unwrap();
                                    ready_after(polls, ()).await;
                                    shield_sync(|| {
                                        tell.send(current()).unwrap();
                                        Scope::new().run_sync(|| -> Outcome {
                                            tell.send(current()).unwrap();
                                            panic!("on purpose")
                                        })
                                    })
                                })
                                .await;
                            inner
                        })
                        .await
                    });
                    let mut body = Box::pin(body);
                    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll(cx))) {
                        Ok(poll) => poll.map(|_| false),
                        Err(_) => Poll::Ready(true),
                    })
                    .await
                        && current() != CancellationToken::never()
                })
                .await;
            assert!(panicked);
            assert!(!outer.is_cancelled(), "the outer code goes on");
            assert!(format!("{outer:?}").contains("children: 0"), "{outer:?}");
            let kinds: Vec<_> = told.iter().map(|token| kind(&token)).collect();
            assert_eq!(kinds, [Some(ReasonKind::Dropped); 5]);
        }
    });
}

#[test]
fn a_notice_says_the_line_of_the_check_point() {
    let line = |error: &Cancelled| {
        assert_eq!(error.observed_at().file(), file!());
        error.observed_at().line()
    };
    let token = cancelled_token();
    let (tell, told) = mpsc::channel();
    let note = |error: Cancelled, at: u32| tell.send((line(&error), at)).unwrap();
    futures::executor::block_on(token.scope(async {
        note(check().unwrap_err(), line!());
        note(guard(ready(())).await.unwrap_err(), line!());
        note(sleep(LONG).await.unwrap_err(), line!());
        note(blocking_sleep(LONG).unwrap_err(), line!());
        note(Site.finish(ready(()), || ()).await.unwrap_err(), line!());
        note(ready(()).with_cancellation(&token).await.unwrap_err(), line!());
        note(Scope::new().run(ready(Outcome::Ok(()))).await.unwrap_err(), line!());
        note(Scope::new().run_sync(|| Outcome::Ok(())).unwrap_err(), line!());
        note(current().check().unwrap_err(), line!());
    }));
    let seen: Vec<_> = told.try_iter().collect();
    assert_eq!(seen.len(), 9);
    assert!(seen.iter().all(|(seen, line)| seen == line), "{seen:?}");
}

#[test]
fn a_guard_takes_sixteen_bytes_and_an_error_one_word() {
    let plain = [0_u64; 20];
    let inner = async move {
        pending::<()>().await;
        plain
    };
    let size = size_of_val(&inner);
    assert_eq!(size_of_val(&guard(inner)), size + 16);
    assert_eq!(size_of::<Cancelled>(), size_of::<usize>());
    assert_eq!(size_of::<Outcome>(), size_of::<usize>());
}

#[test]
fn futures_of_scopes_are_send_and_may_borrow() {
    fn send<T: Send>(value: T) -> T {
        value
    }
    async fn longest<'a>(a: &'a str, b: &'a str) -> Result<&'a str, Cancelled> {
        Scope::new()
            .timeout(LONG)
            .run(async {
                guard(ready_after(1, ())).await?;
                let pick = |text: &'a str| async move {
                    guard(ready_after(1, ())).await?;
                    Ok::<_, Cancelled>(text)
                };
                let (a, b) = cancelable::try_join((pick(a), pick(b))).await?;
                let longer = cancelable::race((pick(a), pick(if a.len() > b.len() { a } else { b }))).await?;
                Ok(if longer.len() < b.len() { b } else { longer })
            })
            .await
    }
    let token = CancellationToken::new();
    drop(send(guard(pending::<()>())));
    drop(send(shield(pending::<()>())));
    drop(send(shield(pending::<Outcome>()).timeout(LONG)));
    drop(send(sleep(LONG)));
    drop(send(token.scope(pending::<()>())));
    drop(send(pending::<()>().in_current_scope()));
    drop(send(pending::<()>().with_cancellation(&token)));
    drop(send(Scope::new().run(pending::<Outcome>())));
    drop(send(Scope::new().run_with(|_| pending::<Outcome>())));
    drop(send(Site.finish(pending::<()>(), || ())));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let task = runtime.spawn(async {
        let (a, b) = (String::from("a"), String::from("long"));
        longest(&a, &b).await.map(str::to_owned)
    });
    assert_eq!(runtime.block_on(task).unwrap().unwrap(), "long");
    let task = runtime.spawn(Scope::new().run(async { Ok::<&str, Cancelled>("borrowed") }));
    assert_eq!(runtime.block_on(task).unwrap().unwrap(), "borrowed");
}

#[test]
fn the_bridge_async_code_in_a_blocking_worker_in_async_code() {
    on_every_runtime(|| async {
        let barrier = Arc::new(Barrier::new(2));
        let outcome: Outcome = Scope::new()
            .run_with(|token| async move {
                let there = Arc::clone(&barrier);
                let worker = cancelable::thread::spawn(move || {
                    futures::executor::block_on(async {
                        there.wait();
                        guard(pending::<()>()).await
                    })
                });
                barrier.wait();
                token.cancel_with(CancelReason::shutdown());
                worker.join().unwrap()
            })
            .await;
        assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Shutdown);
    });
}

#[test]
fn a_scope_is_cancelled_by_the_first_of_its_sources() {
    on_every_runtime(|| async {
        let token = CancellationToken::new();
        let (stop, stopped) = futures::channel::oneshot::channel::<()>();
        let outcome: Outcome = Scope::new()
            .until(&token)
            .until(stopped)
            .until(pending::<()>())
            .run(async {
                stop.send(()).unwrap();
                guard(pending()).await?
            })
            .await;
        assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
        let outcome: Outcome = Scope::new()
            .until(&token)
            .run(async {
                token.cancel_with(CancelReason::shutdown());
                guard(pending()).await?
            })
            .await;
        assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Shutdown);
    });
}

#[test]
fn a_source_is_dropped_with_its_scope() {
    on_every_runtime(|| async {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (flag, again) = (DropFlag(Arc::clone(&dropped)), DropFlag(Arc::clone(&dropped)));
        let watched = |flag: DropFlag| async move {
            let _flag = flag;
            pending::<()>().await;
        };
        let outcome: Outcome = Scope::new().until(watched(flag)).run(async { Ok(()) }).await;
        outcome.unwrap();
        let outcome: Outcome = Scope::new().until(watched(again)).run_sync(|| Ok(()));
        outcome.unwrap();
        // The watching thread may be polling at this very moment, and drops it then.
        while dropped.load(Ordering::SeqCst) < 2 {
            std::thread::yield_now();
        }
    });
}

#[test]
fn a_source_that_panics_leaves_the_scope_alone_and_the_others_watched() {
    let (stop, stopped) = futures::channel::oneshot::channel::<()>();
    let outcome: Outcome = Scope::new()
        .until(async { panic!("on purpose") })
        .until(stopped)
        .run_sync(|| {
            stop.send(()).unwrap();
            loop {
                check()?;
            }
        });
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
}

#[test]
fn l12_what_is_pending_still_counts_when_a_frame_in_between_is_left_by_a_panic() {
    let token = CancellationToken::new();
    let open = Arc::new(AtomicBool::new(false));
    let gate = Arc::clone(&open);
    let done = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&done);
    let body = async move {
        let mut cleanup = Box::pin(shield(async move {
            poll_fn(|_| {
                if gate.load(Ordering::SeqCst) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
            flag.store(true, Ordering::SeqCst);
        }));
        // It begins inside another frame, which a panic leaves.
        poll_fn(|cx| {
            let result = catch_unwind(AssertUnwindSafe(|| {
                let begun = poll_fn(|cx| {
                    assert!(cleanup.as_mut().poll(cx).is_pending());
                    panic!("and yet it is pending");
                });
                let mut inner: Pin<Box<dyn Future<Output = ()>>> = Box::pin(CancellationToken::new().scope(begun));
                inner.as_mut().poll(cx).is_ready()
            }));
            assert!(result.is_err());
            Poll::Ready(())
        })
        .await;
        cleanup.await;
        pending::<Outcome>().await
    };
    let mut scope: Pin<Box<dyn Future<Output = Outcome>>> = Box::pin(Scope::new().parent(&token).run(body));
    assert!(poll_once(&mut scope).is_pending());
    token.cancel();
    assert!(poll_once(&mut scope).is_pending(), "the shield has not ended");
    open.store(true, Ordering::SeqCst);
    assert!(matches!(poll_once(&mut scope), Poll::Ready(Err(_))));
    assert!(done.load(Ordering::SeqCst));
}

#[test]
fn l15_a_timeout_counts_from_the_first_poll_not_from_the_one_in_which_the_token_is_needed() {
    let seen = Arc::new(Mutex::new(None));
    let deadline = Arc::clone(&seen);
    let body = async move {
        futures::pending!();
        *deadline.lock().unwrap() = current().deadline();
        Ok(())
    };
    let mut scope: Pin<Box<dyn Future<Output = Outcome>>> = Box::pin(Scope::new().timeout(LONG).run(body));
    assert!(poll_once(&mut scope).is_pending());
    let begun = Instant::now();
    while Instant::now() == begun {}
    assert!(poll_once(&mut scope).is_ready());
    assert!(seen.lock().unwrap().unwrap() <= begun + LONG);
}
