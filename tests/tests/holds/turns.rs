//! Turns that begin or end several holds, and holds that are dropped unfinished.

use super::*;

#[test]
fn l12_a_hold_that_begins_in_the_poll_in_which_an_older_one_ends_is_held() {
    // One less and one more make none, for who counts.
    let (token, log) = (CancellationToken::new(), Log::default());
    let (open_old, old_gate) = oneshot::channel();
    let (open_new, new_gate) = oneshot::channel();
    let mut old = shielded(Log::default(), old_gate);
    let new = shielded(log.clone(), new_gate);
    let mut task = Driven::new(token.scope(async move {
        begin(&mut old).await;
        guard(ready_when_polled_twice()).await?;
        guard(future::join(old, new)).await.map(drop)
    }));
    assert!(task.poll().is_pending(), "the old one has begun");
    open_old.send(()).unwrap();
    assert!(task.run().is_pending(), "the old one has ended, the new one has begun");
    token.cancel();
    for _ in 0..3 {
        assert!(task.run().is_pending());
        assert!(task.poll().is_pending());
    }
    open_new.send(()).unwrap();
    assert!(task.run().is_ready());
    assert_eq!(log.all(), ["begun", "done"]);
}

/// Pending once, and wakes its task.
pub(super) fn ready_when_polled_twice() -> impl Future<Output = ()> {
    tests::ready_after(1, ())
}

#[test]
fn l12_holds_that_begin_in_later_turns_are_held_one_by_one() {
    // A crowd that is refilled: each turn ends one hold and begins another.
    #[cancelable]
    async fn refilled(mut waiting: Vec<Boxed>) -> Outcome {
        let mut crowd = FuturesUnordered::from_iter([waiting.pop().unwrap()]);
        while let Some(result) = crowd.next().await {
            result?;
            crowd.extend(waiting.pop());
        }
        check()
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let (gates, holds): (Vec<_>, Vec<_>) = (0..4)
        .map(|_| {
            let (open, gate) = oneshot::channel();
            (open, shielded(log.clone(), gate))
        })
        .unzip();
    let mut gates = gates.into_iter().rev();
    let mut task = Driven::new(token.scope(refilled(holds)));
    assert!(task.run().is_pending());
    gates.next().unwrap().send(()).unwrap();
    assert!(task.run().is_pending());
    gates.next().unwrap().send(()).unwrap();
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending(), "the third has begun");
    assert_eq!(log.all(), ["begun", "done", "begun", "done", "begun"]);
    gates.next().unwrap().send(()).unwrap();
    assert!(
        matches!(task.run(), Poll::Ready(Err(_))),
        "nothing holds: the next turn fails before it begins the fourth"
    );
    assert_eq!(log.all(), ["begun", "done", "begun", "done", "begun", "done"]);
}

#[test]
fn l12_who_waits_for_a_hold_that_was_polled_in_the_same_poll_sleeps_until_that_gets_on() {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (end_turn, turn) = oneshot::channel::<()>();
    let (end_next_turn, next_turn) = oneshot::channel::<()>();
    let (open, gate) = oneshot::channel();
    let mut hold = shielded(log.clone(), gate);
    let mut task = Driven::new(token.scope(async move {
        begin(&mut hold).await;
        guard(turn).await.map(drop)?;
        begin(&mut hold).await;
        guard(next_turn).await.map(drop)?;
        hold.await
    }));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending());
    end_turn.send(()).unwrap();
    assert!(task.poll().is_pending());
    assert!(!task.is_woken(), "it would be polled once more for nothing");
    end_next_turn.send(()).unwrap();
    assert!(task.run().is_pending());
    open.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Ok(()))));
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_two_holds_that_end_in_different_turns_are_both_held() {
    for order in [[0, 1], [1, 0]] {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (open_a, gate_a) = oneshot::channel();
        let (open_b, gate_b) = oneshot::channel();
        let mut gates = [Some(open_a), Some(open_b)];
        let holds = [shielded(log.clone(), gate_a), marked_as_finish(log.clone(), gate_b)];
        let mut task = Driven::new(token.scope(patient_unordered(holds.into())));
        assert!(task.run().is_pending());
        token.cancel();
        for (turn, which) in order.into_iter().enumerate() {
            assert!(task.run().is_pending());
            assert_eq!(log.count("done"), turn);
            gates[which].take().unwrap().send(()).unwrap();
        }
        assert!(matches!(task.run(), Poll::Ready(Err(_))));
        assert_eq!(log.all(), ["begun", "begun", "done", "done"]);
    }
}

#[test]
fn l12_a_hold_that_is_dropped_unfinished_lets_the_scope_go_on() {
    // By the function itself, in a turn of its own.
    #[cancelable]
    async fn drops(first: Boxed, second: Boxed, log: Log) -> Outcome {
        let mut second = second;
        tokio::select! {
            biased;
            _ = &mut second => unreachable!("its gate is shut"),
            result = first => result?,
        }
        log.add("second turn");
        drop(second);
        pending::<()>().await;
        Ok(())
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let (end_turn, turn) = oneshot::channel::<()>();
    let (_open, gate) = oneshot::channel();
    let hold = shielded(log.clone(), gate);
    let mut task = Driven::new(token.scope(drops(turn.map(|_| Ok(())).boxed(), hold, log.clone())));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending(), "it holds");
    end_turn.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Err(_))), "nothing holds any more");
    assert_eq!(log.all(), ["begun", "second turn", "cut"]);
}

/// A place where a future can be put and taken away, with the task that polls it asleep.
pub(super) type Place = Arc<Mutex<Option<Boxed>>>;

/// Polls what is in the place once, and then waits for something that never comes.
pub(super) async fn begins_and_leaves_alone(place: Place) -> Outcome {
    let begun = poll_fn(|cx| {
        let mut place = place.lock().unwrap();
        assert!(place.as_mut().unwrap().poll_unpin(cx).is_pending());
        Poll::Ready(())
    });
    guard(begun).await?;
    guard(pending::<()>()).await
}

#[test]
fn l12_a_hold_that_is_dropped_by_somebody_else_wakes_who_waits_for_it() {
    for (name, hold) in HOLDS {
        for is_elsewhere in [false, true] {
            let (token, log) = (CancellationToken::new(), Log::default());
            let (_open, gate) = oneshot::channel();
            let place: Place = Arc::new(Mutex::new(Some(hold(log.clone(), gate))));
            let mut task = Driven::new(token.scope(begins_and_leaves_alone(Arc::clone(&place))));
            assert!(task.run().is_pending());
            token.cancel();
            // By L14 it waits, for a hold that nobody polls as well: it cannot know.
            assert!(task.run().is_pending(), "{name}: it holds");
            let hold = place.lock().unwrap().take();
            if is_elsewhere {
                std::thread::spawn(move || drop(hold)).join().unwrap();
            } else {
                drop(hold);
            }
            assert!(matches!(task.run(), Poll::Ready(Err(_))), "{name}: nobody has woken it");
            assert_eq!(log.all(), ["begun", "cut"], "{name}");
        }
    }
}
