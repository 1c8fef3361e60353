//! What holds nothing is dropped as ever.

use super::*;

#[test]
fn l12_what_holds_nothing_is_dropped_at_once_also_beside_what_has_held() {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (open, gate) = oneshot::channel();
    let hold = shielded(log.clone(), gate);
    let mut task = Driven::new(token.scope(async move {
        let mut hold = hold;
        begin(&mut hold).await;
        hold.await?;
        guard(pending::<()>()).await
    }));
    assert!(task.run().is_pending());
    open.send(()).unwrap();
    assert!(task.run().is_pending());
    token.cancel();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
}

#[test]
fn l14_a_hold_in_a_shield_that_nobody_polls_is_ended_by_the_grace_outside() {
    paused_tokio().block_on(async {
        let log = Log::default();
        let (_open, gate) = oneshot::channel();
        let outcome: Outcome = Scope::new()
            .grace(Duration::from_secs(9))
            .run_with(|token| {
                let log = log.clone();
                async move {
                    token.cancel();
                    shield(async move {
                        let mut inner = shielded(log, gate);
                        begin(&mut inner).await;
                        sleep(LONG).await
                    })
                    .timeout(Duration::from_secs(1))
                    .await
                }
            })
            .await;
        // The timeout of the shield outside is a cancel like any other to the one inside.
        assert!(outcome.unwrap_err().was_forced());
        assert_eq!(log.all(), ["begun", "cut"]);
    });
}

#[test]
fn l12_a_finish_that_has_not_started_is_not_held() {
    #[cancelable]
    async fn work(log: Log, gate: Receiver<()>) -> Outcome {
        #[cancelable(finish)]
        two_halves(log, gate).await;
        Ok(())
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    token.cancel();
    let mut task = Driven::new(token.scope(work(log.clone(), oneshot::channel().1)));
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), [""; 0]);
}

#[test]
fn l12_holds_are_held_on_every_runtime() {
    tests::on_every_runtime(|| async {
        let log = Log::default();
        let inner = log.clone();
        let outcome: Outcome = Scope::new()
            .run_with(|token| async move {
                let (open, gate) = oneshot::channel();
                let (end_turn, turn) = oneshot::channel::<()>();
                let canceller = async move {
                    end_turn.send(()).unwrap();
                    // So that the second turn is pending when the cancel comes.
                    tests::ready_after(3, ()).await;
                    token.cancel();
                    tests::ready_after(3, ()).await;
                    open.send(()).unwrap();
                };
                let hold = shielded(inner, gate);
                future::join(unordered(turn.map(|_| Ok(())).boxed(), hold), canceller)
                    .await
                    .0
            })
            .await;
        assert!(outcome.is_err());
        assert_eq!(log.all(), ["begun", "done"]);
    });
}

#[test]
fn l12_holds_are_held_while_a_thread_blocks() {
    // In a sync scope no waker is the scope's, and the thread itself is what waits.
    for _ in 0..50 {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (open, gate) = oneshot::channel();
        let (end_turn, turn) = oneshot::channel::<()>();
        let outcome = std::thread::scope(|threads| {
            threads.spawn(|| {
                while log.all().is_empty() {
                    std::thread::yield_now();
                }
                end_turn.send(()).unwrap();
                token.cancel();
                assert!(open.send(()).is_ok(), "cut");
            });
            let body = unordered(turn.map(|_| Ok(())).boxed(), shielded(log.clone(), gate));
            token.sync_scope(|| thread::block_on(body))
        });
        assert!(outcome.and_then(|outcome| outcome).is_err());
        assert_eq!(log.all(), ["begun", "done"]);
    }
}
