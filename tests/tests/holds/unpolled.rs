//! Holds that nobody polls any more: grace, and loops that go on without them.

use super::*;

#[test]
fn l14_a_hold_that_nobody_polls_any_more_is_waited_for_and_grace_ends_that() {
    paused_tokio().block_on(async {
        for (name, hold) in HOLDS {
            let log = Log::default();
            let (_open, gate) = oneshot::channel();
            let place: Place = Arc::new(Mutex::new(Some(hold(log.clone(), gate))));
            let token = CancellationToken::new();
            let begun = tokio::time::Instant::now();
            let outcome: Outcome = Scope::new()
                .parent(&token)
                .grace(Duration::from_secs(5))
                .run(begins_and_leaves_alone(Arc::clone(&place)))
                .within(|| token.cancel_with("while it is pending"))
                .await;
            let cancelled = outcome.unwrap_err();
            assert!(cancelled.was_forced(), "{name}");
            assert_eq!(begun.elapsed().as_secs(), 5, "{name}");
            assert_eq!(log.all(), ["begun"], "{name}: it is kept elsewhere, and so not dropped");
        }
    });
}

/// Loops that never poll the hold again; each turn is counted.
mod busy {
    use super::*;

    /// Counts the turns of a loop, and stops a test that does not end.
    pub(super) struct Turns(u64);

    impl Turns {
        pub(super) fn new() -> Self {
            Self(0)
        }

        pub(super) fn count(&mut self) {
            self.0 += 1;
            assert!(self.0 < 1_000_000, "the loop does not end");
        }
    }

    #[cancelable]
    pub(super) async fn a_loop() -> Outcome {
        let mut turns = Turns::new();
        loop {
            turns.count();
        }
    }

    #[cancelable]
    pub(super) async fn a_while_loop() -> Outcome {
        let mut turns = Turns::new();
        while turns.0 < u64::MAX {
            turns.count();
        }
        Ok(())
    }

    #[cancelable]
    pub(super) async fn a_for_loop() -> Outcome {
        let mut turns = Turns::new();
        for _ in 0.. {
            turns.count();
        }
        Ok(())
    }

    #[cancelable(every = 10)]
    pub(super) async fn now_and_then() -> Outcome {
        let mut turns = Turns::new();
        for _ in 0.. {
            turns.count();
        }
        Ok(())
    }

    pub(super) async fn explicit_checks() -> Outcome {
        let mut turns = Turns::new();
        loop {
            check()?;
            turns.count();
        }
    }

    #[cancelable]
    pub(super) async fn awaits_that_are_ready() -> Outcome {
        let mut turns = Turns::new();
        #[cancelable(skip)]
        loop {
            guard(ready(())).await?;
            turns.count();
        }
    }

    #[cancelable]
    fn leaf() -> Outcome {
        Ok(())
    }

    pub(super) async fn entries() -> Outcome {
        let mut turns = Turns::new();
        loop {
            leaf()?;
            turns.count();
        }
    }

    pub(super) async fn scopes() -> Outcome {
        let mut turns = Turns::new();
        loop {
            Scope::new().run_sync(check)?;
            turns.count();
        }
    }

    pub(super) async fn asks() -> Outcome {
        // This is no check point: it says what is true.
        while !is_cancelled() {}
        Ok(())
    }
}

#[test]
fn l14_a_loop_that_never_polls_the_hold_again_still_ends() {
    type Loop = fn() -> Boxed;
    let loops: [(&str, Loop); 9] = [
        ("loop", || busy::a_loop().boxed()),
        ("while", || busy::a_while_loop().boxed()),
        ("for", || busy::a_for_loop().boxed()),
        ("every", || busy::now_and_then().boxed()),
        ("check", || busy::explicit_checks().boxed()),
        ("ready awaits", || busy::awaits_that_are_ready().boxed()),
        ("entries", || busy::entries().boxed()),
        ("scopes", || busy::scopes().boxed()),
        ("is_cancelled", || busy::asks().boxed()),
    ];
    let mut failed = Vec::new();
    for (name, turns) in loops {
        let ended = catch_unwind(|| {
            let token = CancellationToken::new();
            let (_open, gate) = oneshot::channel();
            let mut hold = shielded(Log::default(), gate);
            let canceller = token.clone();
            let mut task = Driven::new(token.scope(async move {
                begin(&mut hold).await;
                canceller.cancel();
                drop(turns().await);
            }));
            assert!(task.run().is_ready());
        });
        if ended.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[test]
fn l14_a_loop_that_never_polls_its_crowd_again_still_ends() {
    let token = CancellationToken::new();
    let members = (0..5).map(|_| unwinds(Log::default(), oneshot::channel().1));
    let mut crowd = FuturesUnordered::from_iter(members);
    let canceller = token.clone();
    let mut task = Driven::new(token.scope(async move {
        begin(&mut crowd.next()).await;
        canceller.cancel();
        busy::a_loop().await
    }));
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
}

#[test]
fn l14_a_loop_that_does_poll_the_hold_in_each_turn_is_spared_for_as_long_as_it_takes() {
    // A bound on checks that are spared must not become a bound on a hold that is getting on.
    #[cancelable]
    async fn work(mut hold: Boxed) -> Outcome {
        loop {
            tokio::select! {
                biased;
                result = &mut hold => {
                    result?;
                    break;
                }
                () = ready(()) => {}
            }
        }
        check()
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let hold = shield(two_halves(log.clone(), tests::ready_after(5_000, ())))
        .map(Ok)
        .boxed();
    let canceller = token.clone();
    let mut task = Driven::new(token.scope(async move {
        let mut hold = hold;
        begin(&mut hold).await;
        canceller.cancel();
        work(hold).await
    }));
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_crowd_of_thousands_of_holds_is_held_to_the_last() {
    // Each turn ends one of them, and the others are not polled in it: that is no loop that has forgotten them.
    const MANY: usize = 3_000;
    for are_all_at_once in [false, true] {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (gates, holds): (Vec<_>, Vec<_>) = (0..MANY)
            .map(|_| {
                let (open, gate) = oneshot::channel();
                (open, shielded(log.clone(), gate))
            })
            .unzip();
        let mut task = Driven::new(token.scope(patient_unordered(holds)));
        assert!(task.run().is_pending());
        token.cancel();
        for gate in gates {
            if !are_all_at_once {
                assert!(task.run().is_pending(), "{} of them have been cut", log.count("cut"));
            }
            gate.send(()).unwrap();
        }
        assert!(matches!(task.run(), Poll::Ready(Err(_))));
        drop(task);
        assert_eq!(
            (log.count("done"), log.count("cut")),
            (MANY, 0),
            "all at once: {are_all_at_once}"
        );
    }
}

#[test]
fn l12_a_hold_is_held_for_as_many_turns_as_it_takes() {
    // In a crowd it is polled only when it has been woken. Meanwhile the loop has other things to do, and waits for them.
    #[cancelable]
    async fn server(hold: Boxed, mut messages: futures::channel::mpsc::Receiver<()>) -> Outcome {
        let mut crowd = FuturesUnordered::from_iter([hold]);
        loop {
            tokio::select! {
                ended = crowd.next() => {
                    ended.unwrap()?;
                    break;
                }
                Some(()) = messages.next() => {}
            }
        }
        check()
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let (open, gate) = oneshot::channel();
    let (mut send, messages) = futures::channel::mpsc::channel(1);
    let mut task = Driven::new(token.scope(server(shielded(log.clone(), gate), messages)));
    assert!(task.run().is_pending());
    token.cancel();
    for message in 0..3_000 {
        send.try_send(()).unwrap();
        assert!(task.run().is_pending(), "cut by message {message}");
    }
    open.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), ["begun", "done"]);
}
