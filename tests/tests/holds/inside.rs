//! Scopes inside, and branches beside.

use super::*;

#[test]
fn l12_a_scopes_own_timeout_does_not_wait_for_a_hold_of_the_code_outside() {
    // Which may have a deadline as well, later.
    for limit in [None, Some(LONG)] {
        paused_tokio().block_on(async {
            let log = Log::default();
            let (open, gate) = oneshot::channel();
            let outcome: Outcome = Scope::new()
                .timeout(limit)
                .run(async {
                    let mut hold = shielded(log.clone(), gate);
                    begin(&mut hold).await;
                    let inner: Outcome = cancel_scope!(timeout = "1s", async {
                        pending::<()>().await;
                        Ok(())
                    })
                    .await;
                    assert!(
                        inner.unwrap_err().is_timeout(),
                        "it ends the inner scope, which drops no hold"
                    );
                    assert_eq!(log.all(), ["begun"]);
                    open.send(()).unwrap();
                    hold.await
                })
                .await;
            assert!(outcome.is_ok());
            assert_eq!(log.all(), ["begun", "done"]);
        });
    }
}

#[test]
fn l12_checks_of_a_scope_whose_own_cancel_it_is_do_not_wait_for_a_hold_of_the_code_outside() {
    let token = CancellationToken::new();
    let (_open, gate) = oneshot::channel();
    let mut hold = shielded(Log::default(), gate);
    let mut task = Driven::new(token.scope(async move {
        begin(&mut hold).await;
        let inner: Outcome = Scope::new()
            .run_with(|inner| async move {
                inner.cancel();
                assert!(check().is_err());
                assert!(guard(ready(())).await.is_err());
                guard(pending::<()>()).await
            })
            .await;
        assert!(inner.is_err());
        assert!(check().is_ok(), "the scope outside is not cancelled");
    }));
    assert!(task.run().is_ready());
}

#[test]
fn l12_a_hold_is_held_when_the_finish_is_given_up_that_has_polled_it() {
    #[cancelable]
    async fn finishes(hold: &mut Boxed) -> Outcome {
        #[cancelable(finish)]
        hold.await
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let (end_turn, turn) = oneshot::channel::<()>();
    let (open, gate) = oneshot::channel();
    let mut hold = shielded(log.clone(), gate);
    let mut task = Driven::new(token.scope(async move {
        assert!(futures::poll!(pin!(finishes(&mut hold))).is_pending());
        guard(turn).await.map(drop)?;
        hold.await
    }));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending(), "{:?}", log.all());
    end_turn.send(()).unwrap();
    assert!(task.run().is_pending());
    open.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Ok(()))));
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_scope_inside_waits_for_a_hold_outside_if_the_cancel_has_reached_that() {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (end_turn, turn) = oneshot::channel::<()>();
    let (open, gate) = oneshot::channel();
    let mut hold = shielded(log.clone(), gate);
    let mut task = Driven::new(token.scope(async move {
        begin(&mut hold).await;
        let inner: Outcome = Scope::new().run(async move { guard(turn).await.map(drop) }).await;
        // If the scope inside had failed, this `?` would have dropped the hold.
        inner?;
        hold.await
    }));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending(), "{:?}", log.all());
    assert!(task.poll().is_pending(), "{:?}", log.all());
    end_turn.send(()).unwrap();
    assert!(task.run().is_pending());
    open.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Ok(()))));
    assert_eq!(log.all(), ["begun", "done"]);
}

/// Waits for `turn` under the ambient token, or one below it, given or carried in some way.
type Given = fn(Receiver<()>) -> Boxed;

const GIVEN: [(&str, Given); 6] = [
    ("in_current_scope", |turn| {
        async { guard(turn).await.map(drop) }.in_current_scope().boxed()
    }),
    ("token.scope", |turn| {
        current().scope(async { guard(turn).await.map(drop) }).boxed()
    }),
    ("token.scope, of a child", |turn| {
        let child = current().child_token();
        async move { child.scope(async { guard(turn).await.map(drop) }).await }.boxed()
    }),
    ("with_cancellation", |turn| {
        let token = current();
        async move { turn.with_cancellation(&token).await.map(drop) }.boxed()
    }),
    ("a scope with the ambient token as its parent", |turn| {
        let parent = current();
        Scope::new()
            .parent(&parent)
            .run(async { guard(turn).await.map(drop) })
            .boxed()
    }),
    ("an await in a scope in that", |turn| {
        let inner = Scope::new().run(async { guard(turn).await.map(drop) });
        inner.in_current_scope().boxed()
    }),
];

#[test]
fn l12_what_runs_under_the_token_of_the_scope_outside_waits_for_its_hold_however_it_has_come_by_it() {
    // If it failed, the `?` behind it would drop the hold.
    let mut failed = Vec::new();
    for (name, given) in GIVEN {
        let played = || {
            let (token, log) = (CancellationToken::new(), Log::default());
            let (end_turn, turn) = oneshot::channel::<()>();
            let (open, gate) = oneshot::channel();
            let mut hold = shielded(log.clone(), gate);
            let mut task = Driven::new(Scope::new().parent(&token).run(async move {
                begin(&mut hold).await;
                given(turn).await?;
                hold.await
            }));
            assert!(task.run().is_pending());
            token.cancel();
            assert!(task.run().is_pending(), "{:?}", log.all());
            assert!(task.poll().is_pending(), "{:?}", log.all());
            end_turn.send(()).unwrap();
            assert!(task.run().is_pending());
            open.send(()).unwrap();
            assert!(task.run().is_ready());
            assert_eq!(log.all(), ["begun", "done"]);
        };
        if catch_unwind(AssertUnwindSafe(played)).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn l12_what_runs_under_a_token_of_its_own_does_not_wait_for_a_hold_outside() {
    // Nor if the code outside is cancelled as well, by something else.
    for is_cancelled in [false, true] {
        let [token, own] = [CancellationToken::new(), CancellationToken::new()];
        own.cancel();
        let (_open, gate) = oneshot::channel();
        let mut hold = shielded(Log::default(), gate);
        let mut task = Driven::new(token.clone().scope(async move {
            begin(&mut hold).await;
            if is_cancelled {
                token.cancel();
            }
            assert!(own.scope(guard(pending::<()>())).await.is_err());
            assert!(own.scope(async { check() }).await.is_err());
            assert!(own.sync_scope(check).is_err());
            assert!(pending::<()>().with_cancellation(&own).await.is_err());
            if !is_cancelled {
                // It is code of the scope outside, whatever its token.
                let scope = Scope::new().parent(&own);
                assert!(scope.run(guard(pending::<()>())).await.is_err());
            }
        }));
        assert!(task.run().is_ready());
    }
}

#[test]
fn l12_a_hold_of_the_code_outside_does_not_keep_the_branches_of_a_race_from_ending() {
    // The loser has lost: a cancel of its own, which has not reached the scope where the hold is.
    let token = CancellationToken::new();
    let (_open, gate) = oneshot::channel();
    let mut hold = shielded(Log::default(), gate);
    let mut task = Driven::new(token.scope(async move {
        begin(&mut hold).await;
        let won: Outcome = race!(async { guard(pending::<()>()).await }, async { Ok(()) }).await;
        assert!(won.is_ok());
        let failed: Result<((), ()), &str> = try_join!(
            async {
                drop(guard(pending::<()>()).await);
                Err("superseded")
            },
            async { Err("first") }
        )
        .await;
        assert_eq!(failed, Err("first"));
    }));
    assert!(task.run().is_ready());
}
#[test]
fn l12_a_shield_that_waits_for_the_branch_beside_it_does_not_keep_that_from_ending() {
    // Clean-up in one branch of a `join!` waits until the other one has let go of a channel.
    #[cancelable]
    async fn listens(sender: futures::channel::mpsc::Sender<u32>) -> Outcome {
        let _sender = sender;
        pending::<()>().await;
        Ok(())
    }
    #[cancelable]
    async fn both(log: Log) -> Outcome {
        let (sender, receiver) = futures::channel::mpsc::channel(1);
        let (listened, ()) = tokio::join!(listens(sender), shield(two_halves(log, receiver.count())));
        listened
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let mut task = Driven::new(token.scope(both(log.clone())));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(
        matches!(task.run(), Poll::Ready(Err(_))),
        "a dead lock: {:?}",
        log.all()
    );
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_shield_from_an_earlier_turn_does_not_keep_the_branch_beside_it_from_ending() {
    // As above, but the shield had begun before; in whichever order the two are polled.
    for is_hold_first in [false, true] {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (sender, receiver) = futures::channel::mpsc::channel::<u32>(1);
        let hold = shield(two_halves(log.clone(), receiver.count()));
        let mut task = Driven::new(token.scope(async move {
            let mut hold = pin!(hold);
            begin(&mut hold).await;
            let listens = async move {
                let _sender = sender;
                guard(pending::<()>()).await
            };
            if is_hold_first {
                guard(future::join(hold, listens)).await?.1
            } else {
                guard(future::join(listens, hold)).await?.0
            }
        }));
        assert!(task.run().is_pending());
        token.cancel();
        assert!(
            matches!(task.run(), Poll::Ready(Err(_))),
            "a dead lock: {:?}",
            log.all()
        );
        assert_eq!(log.all(), ["begun", "done"]);
    }
}

/// What was polled in a frame that is left by a panic is pending all the same.
#[test]
fn l12_a_hold_that_is_polled_in_a_scope_that_panics_holds_outside() {
    let [token, inside] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let (open, gate) = oneshot::channel();
    let mut held = shielded(log.clone(), gate);
    let mut task = Driven::new(token.scope(guard(poll_fn(move |cx| {
        let mut panics = pin!(inside.scope(poll_fn(|cx| {
            let poll = held.poll_unpin(cx);
            assert!(poll.is_ready(), "on purpose");
            poll
        })));
        catch_unwind(AssertUnwindSafe(|| panics.as_mut().poll(cx))).unwrap_or(Poll::Pending)
    }))));
    assert!(task.run().is_pending());
    token.cancel();
    for _ in 0..3 {
        assert!(task.run().is_pending());
        assert_eq!(log.all(), ["begun"]);
    }
    open.send(()).unwrap();
    assert!(task.run().is_ready());
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_hold_that_a_scope_without_a_guard_has_left_behind_holds_what_comes_after() {
    // It may be over in its first poll, or later, with a token or without.
    for (polls, needs_token) in [(0, false), (0, true), (1, false), (1, true)] {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (open, gate) = oneshot::channel();
        let mut hold = shielded(log.clone(), gate);
        let mut task = Driven::new(token.scope(async {
            let begins: Outcome = Scope::new()
                .run(async {
                    let _token = needs_token.then(current);
                    tests::ready_after(polls, ()).await;
                    assert!(futures::poll!(&mut hold).is_pending());
                    Ok(())
                })
                .await;
            begins?;
            token.cancel();
            check()?;
            hold.await
        }));
        assert!(task.run().is_pending(), "{polls} {needs_token}: {:?}", log.all());
        open.send(()).unwrap();
        assert!(matches!(task.run(), Poll::Ready(Ok(()))));
        assert_eq!(log.all(), ["begun", "done"]);
    }
}

#[test]
fn l12_a_hold_goes_where_the_future_goes_that_has_it_also_if_it_is_not_polled_there() {
    let [a, b, own] = [
        CancellationToken::new(),
        CancellationToken::new(),
        CancellationToken::new(),
    ];
    let (_open, gate) = oneshot::channel();
    let (_end_turn, turn) = oneshot::channel::<()>();
    let mut hold = shielded(Log::default(), gate);
    // It has the hold, and waits for something else.
    let body = own.scope(async move {
        begin(&mut hold).await;
        guard(turn).await.map(drop)
    });
    let place: Place = Arc::new(Mutex::new(Some(body.boxed())));
    let polls_it_once = |scope: &CancellationToken| {
        let (place, mut is_first) = (Arc::clone(&place), true);
        let polls = poll_fn(move |cx| {
            if std::mem::take(&mut is_first) {
                return place.lock().unwrap().as_mut().unwrap().poll_unpin(cx);
            }
            Poll::Pending
        });
        scope.scope(guard(polls)).boxed()
    };
    // In one task, so under the same waker.
    let (mut in_a, mut in_b) = (polls_it_once(&a), polls_it_once(&b));
    assert!(poll_once(&mut in_a).is_pending());
    assert!(poll_once(&mut in_b).is_pending());
    a.cancel();
    assert!(
        matches!(poll_once(&mut in_a), Poll::Ready(Err(_))),
        "it has it no longer"
    );
    b.cancel();
    assert!(poll_once(&mut in_b).is_pending(), "it has it now");
}

#[test]
fn l12_a_loser_that_waits_for_a_hold_outside_is_not_cut_by_the_decision() {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (_open, gate) = oneshot::channel();
    let (end_turn, turn) = oneshot::channel::<()>();
    let hold: Place = Arc::new(Mutex::new(Some(shielded(Log::default(), gate))));
    let (place, entries, stop) = (Arc::clone(&hold), log.clone(), token.clone());
    let mut task = Driven::new(token.scope(async move {
        let begun = poll_fn(|cx| {
            assert!(place.lock().unwrap().as_mut().unwrap().poll_unpin(cx).is_pending());
            Poll::Ready(())
        });
        guard(begun).await?;
        let loser = async {
            let uncut = entries.uncut();
            assert!(guard(pending::<()>()).await.is_err());
            uncut.end("unwound");
        };
        // Under a cancel from outside, which nobody has seen so far.
        let decides = async {
            turn.await.unwrap();
            stop.cancel();
        };
        race((loser, decides)).await;
        check()
    }));
    assert!(task.run().is_pending());
    end_turn.send(()).unwrap();
    assert!(task.run().is_pending());
    assert_eq!(log.all(), [""; 0]);
    drop(hold.lock().unwrap().take());
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), ["unwound"]);
}
