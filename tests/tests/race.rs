//! `race` and `try_join`: winners are kept, losers get out in good order.

use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cancelable::__private::Site;
use cancelable::{
    CancellationToken, Cancelled, ReasonKind, Scope, check, current, guard, is_cancelled, race, shield, sleep, try_join,
};
use futures::FutureExt as _;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tests::step::Driven;
use tests::{CountingWaker, children, on_every_runtime, poll_once, poll_with, ready_after};

type Log = Arc<Mutex<Vec<&'static str>>>;

/// Waits for ever; once cancelled, cleans up for a few polls under a shield and says how it went.
async fn loser(log: Log) -> Result<u32, Cancelled> {
    let error = guard(pending::<()>()).await.unwrap_err();
    assert_eq!(error.kind(), ReasonKind::Superseded);
    shield(ready_after(3, ())).await;
    log.lock().unwrap().push("cleaned up");
    Err(error)
}

#[test]
fn the_first_output_wins_and_losers_are_driven_to_their_end() {
    on_every_runtime(|| async {
        let log = Log::default();
        let value = race((loser(Arc::clone(&log)), async { Ok(7) }, loser(Arc::clone(&log)))).await;
        assert_eq!(value.unwrap(), 7);
        // The third was never polled before the second had won: it does not start.
        assert_eq!(*log.lock().unwrap(), ["cleaned up"]);
        let value = race(vec![sleep(Duration::from_millis(1)), sleep(Duration::from_secs(3600))]).await;
        value.unwrap();
        race([ready(()), ready(())]).await;
    });
}

#[test]
fn the_reason_of_a_superseded_branch_says_what_the_other_one_did() {
    async fn why(said: &Mutex<String>) -> Result<(), String> {
        let error = guard(pending::<()>()).await.unwrap_err();
        *said.lock().unwrap() = error.reason().to_string();
        Ok(())
    }
    let said = Mutex::default();

    assert!(poll_once(&mut Box::pin(race((why(&said), ready(Ok(())))))).is_ready());
    assert_eq!(
        *said.lock().unwrap(),
        "superseded: another branch of the race finished first"
    );

    let failed = ready(Err::<(), _>("disk full".to_owned()));
    assert!(poll_once(&mut Box::pin(try_join((why(&said), failed)))).is_ready());
    assert_eq!(*said.lock().unwrap(), "superseded: another branch of the join failed");

    let mut race = Box::pin(race((why(&said), async { panic!("on purpose") })));
    catch_unwind(AssertUnwindSafe(|| poll_once(&mut race))).unwrap_err();
    assert_eq!(*said.lock().unwrap(), "superseded: another branch panicked");
}

#[test]
fn a_loser_that_does_not_notice_is_dropped() {
    on_every_runtime(|| async {
        assert_eq!(race((pending(), ready_after(2, 1))).await, 1);
    });
}

#[test]
fn of_two_that_are_ready_the_earlier_one_wins() {
    on_every_runtime(|| async {
        assert_eq!(race((ready_after(1, "a"), ready_after(1, "b"))).await, "a");
    });
}

#[test]
fn a_cancel_from_outside_unwinds_every_branch() {
    on_every_runtime(|| async {
        let log = Log::default();
        let inner = Arc::clone(&log);
        let outcome: Result<u32, Cancelled> = Scope::new()
            .run_with(|token| async move {
                let (started, wait) = std::sync::mpsc::channel();
                let branch = |log: Log| {
                    let started = started.clone();
                    async move {
                        started.send(()).unwrap();
                        let error = guard(pending::<()>()).await.unwrap_err();
                        shield(ready_after(2, ())).await;
                        log.lock().unwrap().push("out");
                        Err(error)
                    }
                };
                std::thread::spawn(move || {
                    wait.recv().unwrap();
                    wait.recv().unwrap();
                    token.cancel();
                });
                guard(race((branch(Arc::clone(&inner)), branch(inner)))).await?
            })
            .await;
        assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Manual);
        assert_eq!(log.lock().unwrap().len(), 2);
    });
}

#[test]
fn a_race_of_foreign_futures_is_ended_by_the_check_point_outside() {
    on_every_runtime(|| async {
        let outcome: Result<(), Cancelled> = Scope::new()
            .timeout(Duration::from_millis(5))
            .run(async { guard(race((pending::<()>(), pending::<()>()))).await })
            .await;
        assert!(outcome.unwrap_err().is_timeout());
        let outcome: Result<(), Cancelled> = Scope::new()
            .timeout(Duration::from_millis(5))
            .run(async { guard(race(Vec::<std::future::Ready<()>>::new())).await })
            .await;
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn a_race_or_join_that_has_to_finish_does_so_under_a_cancel_from_outside() {
    let token = CancellationToken::new();
    let mut future = Box::pin(token.scope(async {
        let first = Site.finish(race((pending(), ready_after(1, 7))), || ()).await?;
        Ok::<u32, Cancelled>(first)
    }));
    assert!(poll_once(&mut future).is_pending());
    token.cancel();
    let Poll::Ready(first) = poll_once(&mut future) else {
        panic!("the branches gave up, and the race has no end")
    };
    assert_eq!(first.unwrap(), 7);

    let token = CancellationToken::new();
    let mut future = Box::pin(token.scope(async {
        Site.finish(
            try_join((ready_after(1, Ok(1)), ready_after(2, Ok::<_, Cancelled>(2)))),
            || (),
        )
        .await?
    }));
    assert!(poll_once(&mut future).is_pending());
    token.cancel();
    assert!(poll_once(&mut future).is_pending());
    let Poll::Ready(both) = poll_once(&mut future) else {
        panic!("the branches gave up, and the join has no end")
    };
    assert_eq!(both.unwrap(), (1, 2));
}

#[test]
fn a_panic_in_one_branch_still_unwinds_the_others() {
    let log = Log::default();
    let inner = Arc::clone(&log);
    let mut future = Box::pin(async move {
        race((loser(inner), async {
            ready_after(1, ()).await;
            panic!("on purpose")
        }))
        .await
    });
    let mut polls = 0;
    let panic = loop {
        match catch_unwind(AssertUnwindSafe(|| poll_once(&mut future))) {
            Ok(poll) => assert!(poll.is_pending()),
            Err(panic) => break panic,
        }
        polls += 1;
        assert!(polls < 20);
    };
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"on purpose"));
    assert_eq!(*log.lock().unwrap(), ["cleaned up"]);
}

#[test]
fn a_loser_gets_no_longer_than_the_grace_of_the_scope_outside() {
    on_every_runtime(|| async {
        let outcome: Result<u32, Cancelled> = Scope::new()
            .grace(Duration::from_millis(5))
            .run(async {
                let stubborn = async {
                    shield(pending::<()>()).await;
                    Ok(0)
                };
                race((stubborn, async { Ok(ready_after(1, 1).await) })).await
            })
            .await;
        assert_eq!(outcome.unwrap(), 1);
    });
}

#[test]
fn a_branch_has_a_scope_of_its_own() {
    on_every_runtime(|| async {
        let outer = CancellationToken::new();
        let seen = outer
            .scope(async {
                let branch = || async { current() };
                try_join((async { Ok::<_, Cancelled>(branch().await) }, async {
                    Ok(branch().await)
                }))
                .await
            })
            .await
            .unwrap();
        assert_ne!(seen.0, seen.1);
        assert_ne!(seen.0, outer);
        assert_eq!(seen.0.reason().unwrap().kind(), ReasonKind::ScopeEnded);
    });
}

#[test]
fn try_join_returns_all_values() {
    on_every_runtime(|| async {
        async fn value<T>(after: usize, value: T) -> Result<T, Cancelled> {
            guard(ready_after(after, ())).await?;
            Ok(value)
        }
        assert_eq!(
            try_join((value(2, 1), value(0, "b"), value(1, 'c'))).await.unwrap(),
            (1, "b", 'c')
        );
        assert_eq!(try_join(vec![value(2, 1), value(0, 2)]).await.unwrap(), [1, 2]);
        assert_eq!(try_join([value(2, 1), value(0, 2)]).await.unwrap(), [1, 2]);
        assert!(
            try_join(Vec::<std::future::Ready<Result<(), ()>>>::new())
                .await
                .unwrap()
                .is_empty()
        );
    });
}

#[test]
fn try_join_the_first_error_cancels_the_others_and_drives_them_to_their_end() {
    #[derive(Debug, PartialEq)]
    enum Error {
        Own,
        Cancelled(ReasonKind),
    }
    impl From<Cancelled> for Error {
        fn from(cancelled: Cancelled) -> Self {
            Self::Cancelled(cancelled.kind())
        }
    }
    on_every_runtime(|| async {
        let log = Log::default();
        let inner = Arc::clone(&log);
        let result: Result<(u32, ()), Error> = try_join((async { Ok(loser(inner).await?) }, async {
            ready_after(1, ()).await;
            Err(Error::Own)
        }))
        .await;
        assert_eq!(result, Err(Error::Own));
        assert_eq!(*log.lock().unwrap(), ["cleaned up"]);
    });
}

#[test]
fn try_join_of_any_number_returns_the_error_of_whichever_fails() {
    for failing in 0..3 {
        let branches: Vec<_> = (0..3)
            .map(|n| ready_after(n, if n == failing { Err(n) } else { Ok(n) }))
            .collect();
        assert_eq!(Driven::new(try_join(branches)).run(), Poll::Ready(Err(failing)));
    }
}

#[test]
fn a_dropped_race_drops_its_branches_with_their_tokens_cancelled() {
    let token = Arc::new(Mutex::new(CancellationToken::never()));
    let seen = Arc::clone(&token);
    let mut future = Box::pin(race((pending::<()>(), async move {
        *seen.lock().unwrap() = current();
        pending::<()>().await;
    })));
    assert!(poll_once(&mut future).is_pending());
    drop(future);
    assert_eq!(token.lock().unwrap().reason().unwrap().kind(), ReasonKind::Dropped);
}

#[test]
fn both_are_send_if_their_branches_are() {
    fn is_send(_: &impl Send) {}
    let not_send = std::rc::Rc::new(());
    is_send(&race((async { 1 }, async { 2 })));
    is_send(&try_join([async { Ok::<_, Cancelled>(1) }]));
    let local = race((
        async move {
            check().ok();
            drop(not_send);
        },
        async {},
    ));
    fn is_future(_: &impl Future) {}
    is_future(&local);
}

/// A branch that asks for nothing until it is told to: then for its token.
fn asks_later(asks: Arc<Mutex<bool>>, token: Arc<Mutex<CancellationToken>>) -> impl Future<Output = u32> {
    poll_fn(move |_| {
        if *asks.lock().unwrap() {
            *token.lock().unwrap() = current();
        }
        Poll::Pending
    })
}

#[test]
fn a_race_that_is_polled_elsewhere_stays_below_the_token_that_it_began_under() {
    for is_asked_before in [false, true] {
        let [home, other] = [(); 2].map(|()| CancellationToken::new());
        let asks = Arc::new(Mutex::new(is_asked_before));
        let token = Arc::new(Mutex::new(CancellationToken::never()));
        let mut race = Box::pin(race((asks_later(asks.clone(), token.clone()), pending())));
        assert!(poll_once(&mut Box::pin(home.scope(race.as_mut()))).is_pending());
        *asks.lock().unwrap() = true;
        assert!(poll_once(&mut Box::pin(other.scope(race.as_mut()))).is_pending());
        let token = token.lock().unwrap().clone();
        other.cancel();
        assert!(!token.is_cancelled());
        home.cancel();
        assert!(token.is_cancelled());
    }
}

/// A scope's token is made late, after the race was polled in there.
#[test]
fn a_race_that_is_polled_outside_a_scope_stays_below_the_token_that_the_scope_has_by_now() {
    let [home, other] = [(); 2].map(|()| CancellationToken::new());
    let asks = Arc::default();
    let token = Arc::new(Mutex::new(CancellationToken::never()));
    let race = Arc::new(Mutex::new(Some(Box::pin(race((
        asks_later(Arc::clone(&asks), Arc::clone(&token)),
        pending(),
    ))))));
    let polls = Arc::clone(&race);
    let mut scope = Box::pin(home.scope(Scope::new().run(poll_fn(move |cx| {
        match polls.lock().unwrap().as_mut() {
            Some(race) => assert!(race.as_mut().poll(cx).is_pending()),
            None => drop(current()),
        }
        Poll::<Result<(), Cancelled>>::Pending
    }))));
    assert!(poll_once(&mut scope).is_pending());
    assert!(poll_once(&mut scope).is_pending());
    let mut race = race.lock().unwrap().take().unwrap();
    assert!(poll_once(&mut scope).is_pending());
    *asks.lock().unwrap() = true;
    assert!(poll_once(&mut Box::pin(other.scope(race.as_mut()))).is_pending());
    let token = token.lock().unwrap().clone();
    other.cancel();
    assert!(!token.is_cancelled());
    home.cancel();
    assert!(token.is_cancelled());
}

#[test]
fn l11_a_race_that_is_carried_off_is_woken_by_the_token_that_it_began_under() {
    let home = CancellationToken::new();
    let mut race = Box::pin(race((guard(pending::<()>()), guard(pending()))));
    assert!(poll_once(&mut Box::pin(home.scope(race.as_mut()))).is_pending());
    // No scope here.
    let mut task = Driven::new(race);
    assert!(task.run().is_pending());
    home.cancel();
    assert!(task.is_woken());
    assert!(matches!(task.run(), Poll::Ready(Err(error)) if error.kind() == ReasonKind::Manual));
}

#[test]
fn l11_a_race_that_is_put_among_others_in_its_second_poll_is_woken_there() {
    for is_in_a_scope in [false, true] {
        let token = CancellationToken::new();
        let noticed = Arc::new(Mutex::new(None));
        let notices = Arc::clone(&noticed);
        let body = async move {
            let branch = || async {
                let outcome = guard(pending::<()>()).await;
                *notices.lock().unwrap() = outcome.as_ref().err().map(Cancelled::kind);
                outcome
            };
            let mut race = Box::pin(race((branch(), branch())));
            assert!(futures::poll!(race.as_mut()).is_pending());
            FuturesUnordered::from_iter([race]).next().await.unwrap()
        };
        let mut task = if is_in_a_scope {
            Driven::new(token.scope(Scope::new().run(body)).boxed())
        } else {
            Driven::new(token.scope(body).boxed())
        };
        assert!(task.run().is_pending());
        token.cancel();
        assert!(matches!(task.run(), Poll::Ready(Err(error)) if error.kind() == ReasonKind::Manual));
        assert_eq!(*noticed.lock().unwrap(), Some(ReasonKind::Manual));
    }
}

#[test]
fn l11_a_race_that_is_among_others_from_the_start_is_woken_there() {
    let token = CancellationToken::new();
    let mut task = Driven::new(token.scope(async {
        let race = Box::pin(race((guard(pending::<()>()), guard(pending()))));
        FuturesUnordered::from_iter([race]).next().await.unwrap()
    }));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(matches!(task.run(), Poll::Ready(Err(error)) if error.kind() == ReasonKind::Manual));
}

#[test]
fn each_branch_that_asks_in_one_poll_gets_a_token_of_its_own_and_the_last_does_not_get_another_ones() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let branch = |polls: usize| {
        let seen = Arc::clone(&seen);
        async move {
            let before = current();
            ready_after(polls, ()).await;
            assert_eq!(current(), before);
            seen.lock().unwrap().push(before);
            Ok::<_, Cancelled>(())
        }
    };
    let all = try_join((branch(0), branch(2), branch(0), branch(1), async {
        ready_after(2, Ok::<_, Cancelled>(())).await
    }));
    assert!(Driven::new(all).run().is_ready());
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    let distinct: std::collections::HashSet<_> = seen.iter().cloned().collect();
    assert_eq!((seen.len(), distinct.len()), (4, 4));
    for token in seen {
        assert_eq!(tests::kind(&token), Some(ReasonKind::ScopeEnded));
    }
}

#[test]
fn a_branch_that_gets_a_state_does_not_take_over_the_task_of_the_one_that_had_it_before() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let outcome = runtime.block_on(async {
        // They leave their states to the thread: one for the scope of the second task, and one for a branch in there.
        let inner = Scope::new().run(async { ready_after(1, Ok::<(), Cancelled>(())).await });
        let first = tokio::spawn(Scope::new().run(inner));
        first.await.unwrap().unwrap();
        let token = CancellationToken::new();
        let second = tokio::spawn(token.clone().scope(async {
            let asks = async {
                let _ = current();
                futures::pending!();
                check()
            };
            race((asks, pending())).await
        }));
        tokio::task::yield_now().await;
        token.cancel();
        second.await.unwrap()
    });
    assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Manual);
}

/// A future without a destructor, which is polled in its place.
#[test]
fn l12_a_loser_without_a_destructor_that_has_asked_learns_that_it_has_lost() {
    let mut learnt = false;
    let asks = poll_fn(|_| {
        learnt = check().is_err();
        if learnt { Poll::Ready(1) } else { Poll::Pending }
    });
    assert_eq!(Driven::new(race((asks, ready_after(1, 2)))).run(), Poll::Ready(2));
    assert!(learnt);
}

#[test]
fn l12_a_loser_that_asks_by_hand_before_and_in_an_await_is_asked_once_more() {
    let mut has_heard = false;
    let loser = async {
        assert!(!is_cancelled());
        let hears = poll_fn(|_| {
            has_heard |= is_cancelled();
            if has_heard { Poll::Ready(()) } else { Poll::Pending }
        });
        drop(guard(hears).await);
    };
    let mut race = Box::pin(race((loser, ready_after(1, ()))));
    assert!(poll_once(&mut race).is_pending());
    assert!(poll_once(&mut race).is_ready());
    drop(race);
    assert!(has_heard);
}

#[test]
fn l10_a_loser_without_a_destructor_that_has_used_up_the_budget_is_polled_again() {
    let (fill, mut queue) = tokio::sync::mpsc::unbounded_channel();
    (0..1000).for_each(|n| fill.send(n).unwrap());
    drop(fill);
    let mut drained = 0;
    let drains = poll_fn(|cx| {
        while std::task::ready!(queue.poll_recv(cx)).is_some() {
            drained += 1;
        }
        Poll::Ready(1)
    });
    let first = tests::paused_tokio().block_on(race((ready_after(1, 2), drains)));
    assert_eq!((first, drained), (2, 1000));
}

/// The other branch has used up the budget when it decides.
#[test]
fn l10_a_loser_that_is_out_at_once_is_not_polled_again() {
    let (fill, mut queue) = tokio::sync::mpsc::unbounded_channel();
    (0..1000).for_each(|n| fill.send(n).unwrap());
    let mut is_first = true;
    let wins = poll_fn(|cx| {
        if std::mem::take(&mut is_first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        while queue.poll_recv(cx).is_ready() {}
        Poll::Ready(1)
    });
    let loses = async { guard(pending::<u32>()).await.unwrap_or(2) };
    assert_eq!(tests::paused_tokio().block_on(race((wins, loses))), 1);
}

/// It has asked, and has nothing inside.
#[test]
fn l10_a_loser_is_out_at_once_also_where_others_have_used_up_the_budget_before() {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
        .block_on(async {
            let (fill, mut queue) = tokio::sync::mpsc::unbounded_channel();
            (0..1000).for_each(|n| fill.send(n).unwrap());
            let token = CancellationToken::new();
            let stop = token.clone();
            // Under a cancel from its first poll on, and put off each time that its budget is used up.
            let drain = guard(async move {
                stop.cancel();
                for _ in 0..1000 {
                    queue.recv().await.unwrap();
                }
            });
            token.scope(drain).await.unwrap();

            let loser = async {
                assert!(!is_cancelled());
                pending().await
            };
            let mut race = Box::pin(race((loser, ready_after(1, 7))));
            assert!(futures::poll!(&mut race).is_pending());
            assert_eq!(futures::poll!(&mut race), Poll::Ready(7));
        });
}

#[test]
fn l12_a_loser_that_does_not_get_out_is_dropped_in_the_poll_of_the_decision_under_a_cancel_from_outside() {
    let token = CancellationToken::new();
    let cancels = token.clone();
    let mut race = Box::pin(token.scope(race((
        async move {
            ready_after(1, ()).await;
            cancels.cancel();
            1
        },
        async {
            check().unwrap();
            pending().await
        },
    ))));
    let (_, waker) = CountingWaker::new();
    assert!(poll_with(&mut race, &waker).is_pending());
    assert_eq!(poll_with(&mut race, &waker), Poll::Ready(1));
}

#[test]
fn l17_a_race_that_is_over_among_others_has_left_no_branch_in_the_tree() {
    let token = CancellationToken::new();
    let (_, waker) = CountingWaker::new();
    let mut race = Box::pin(race((pending(), ready_after(1, ()))));
    let mut scope = Box::pin(token.scope(poll_fn(|_| poll_with(&mut race, &waker))));
    assert!(poll_once(&mut scope).is_pending());
    assert_eq!(children(&token), "2");
    assert!(poll_once(&mut scope).is_ready());
    drop(scope);
    assert_eq!(children(&token), "0");
    drop(race);
}

#[test]
fn l21_panics_of_several_branches_and_of_destructors_let_the_others_out() {
    struct PanicsInDrop;
    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("in a destructor");
        }
    }
    let log = Log::default();
    let mut future = Box::pin(race((
        async {
            let _panics = PanicsInDrop;
            pending().await
        },
        loser(Arc::clone(&log)),
        async {
            ready_after(1, ()).await;
            Ok(1)
        },
    )));
    let panic = loop {
        match catch_unwind(AssertUnwindSafe(|| poll_once(&mut future))) {
            Ok(poll) => assert!(poll.is_pending()),
            Err(panic) => break panic,
        }
    };
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"in a destructor"));
    assert_eq!(*log.lock().unwrap(), ["cleaned up"]);
}

#[test]
fn l21_what_is_left_of_a_branch_that_panics_is_dropped_under_its_token() {
    struct Sees(Arc<Mutex<Option<ReasonKind>>>);
    impl Drop for Sees {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = tests::kind(&current());
        }
    }
    struct PanicsInPoll {
        _sees: Sees,
    }
    impl Future for PanicsInPoll {
        type Output = ();
        fn poll(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> Poll<()> {
            panic!("on purpose");
        }
    }
    let seen = Arc::default();
    let mut future = Box::pin(race((PanicsInPoll {
        _sees: Sees(Arc::clone(&seen)),
    },)));
    catch_unwind(AssertUnwindSafe(|| poll_once(&mut future))).unwrap_err();
    drop(future);
    assert_eq!(*seen.lock().unwrap(), Some(ReasonKind::Dropped));
}
