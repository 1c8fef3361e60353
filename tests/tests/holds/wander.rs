//! Holds that wander between scopes, tasks and threads.

use super::*;

#[test]
fn l12_a_hold_that_another_thread_goes_on_with_no_longer_holds_where_it_began() {
    for (name, hold) in HOLDS {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (open, gate) = oneshot::channel();
        let place: Place = Arc::new(Mutex::new(Some(hold(log.clone(), gate))));
        let mut task = Driven::new(token.scope(begins_and_leaves_alone(Arc::clone(&place))));
        assert!(task.run().is_pending());
        token.cancel();
        assert!(task.run().is_pending(), "{name}: it holds");
        let mut moved = place.lock().unwrap().take().unwrap();
        let moved = std::thread::spawn(move || {
            assert!(poll_once(&mut moved).is_pending());
            moved
        });
        let mut moved = moved.join().unwrap();
        assert!(
            matches!(task.run(), Poll::Ready(Err(_))),
            "{name}: it is elsewhere, and that wakes who waits"
        );
        assert_eq!(log.all(), ["begun"], "{name}");
        open.send(()).unwrap();
        assert!(poll_once(&mut moved).is_ready(), "{name}");
        assert_eq!(log.all(), ["begun", "done"], "{name}");
    }
}

#[test]
fn l12_a_hold_that_is_spawned_half_way_holds_in_its_task_and_not_where_it_began() {
    let runtime = Runtime::TokioCurrentThread;
    runtime.run(async {
        let [begins, spawned] = [CancellationToken::new(), CancellationToken::new()];
        let log = Log::default();
        let (open, gate) = oneshot::channel();
        let mut hold = shielded(log.clone(), gate);
        let (polled, is_polled) = oneshot::channel();
        let inner = spawned.clone();
        let outcome: Outcome = Scope::new()
            .parent(&begins)
            .run(async move {
                begin(&mut hold).await;
                tokio::spawn(inner.scope(async move {
                    let mut hold = Box::pin(guard(hold));
                    begin(&mut hold).await;
                    polled.send(()).unwrap();
                    hold.await.map(drop)
                }));
                guard(pending::<()>()).await
            })
            .within(|| begins.cancel_with("while it is pending"))
            .await;
        assert!(outcome.is_err());
        is_polled.await.unwrap();
        assert_eq!(log.all(), ["begun"]);
        // Now it is the spawned task that must not drop it.
        spawned.cancel();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(log.all(), ["begun"]);
        open.send(()).unwrap();
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(log.all(), ["begun", "done"]);
    });
}

/// Runs something when a future has been pending for the first time.
pub(super) trait Within: Future + Sized {
    fn within<F: FnOnce() -> R, R>(self, f: F) -> impl Future<Output = Self::Output> {
        let mut f = Some(f);
        async move {
            let mut future = pin!(self);
            poll_fn(move |cx| {
                let poll = future.as_mut().poll(cx);
                if let Some(f) = f.take() {
                    assert!(poll.is_pending());
                    f();
                }
                poll
            })
            .await
        }
    }
}

impl<F: Future> Within for F {}

#[test]
fn l12_a_shared_future_that_another_scope_finishes_does_not_hold_where_it_began() {
    // Single flight: A polls it first, B to its end; then A waits for something else, guarded or not.
    for is_guarded in [false, true] {
        let [a, b] = [CancellationToken::new(), CancellationToken::new()];
        let log = Log::default();
        let (open, gate) = oneshot::channel();
        let flight = shielded(log.clone(), gate).shared();
        let (in_a, in_b) = (flight.clone(), flight);
        let mut task_a = Driven::new(Scope::new().parent(&a).run(async move {
            let stops_waiting = future::select(in_a, ready(()));
            assert!(matches!(stops_waiting.await, Either::Right(_)));
            if is_guarded {
                guard(pending::<()>()).await
            } else {
                pending().await
            }
        }));
        let mut task_b = Driven::new(Scope::new().parent(&b).run(async move {
            in_b.await?;
            if is_guarded {
                guard(pending::<()>()).await
            } else {
                pending().await
            }
        }));
        assert!(task_a.run().is_pending());
        assert!(task_b.run().is_pending());
        open.send(()).unwrap();
        assert!(task_b.run().is_pending());
        assert_eq!(log.all(), ["begun", "done"]);
        a.cancel();
        assert!(
            matches!(task_a.run(), Poll::Ready(Err(_))),
            "a hold too many in A, guarded: {is_guarded}"
        );
        b.cancel();
        assert!(matches!(task_b.run(), Poll::Ready(Err(_))));
    }
}

#[test]
fn l12_who_finishes_a_shared_future_has_its_own_shields_held_afterwards() {
    let [a, b] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let (open, gate) = oneshot::channel();
    let flight = shielded(Log::default(), gate).shared();
    let in_a = flight.clone();
    let mut task_a = Driven::new(a.scope(async move { guard(in_a).await }));
    let (open_own, own_gate) = oneshot::channel();
    let own = shielded(log.clone(), own_gate);
    let mut task_b = Driven::new(b.scope(guard(async move {
        flight.await?;
        own.await
    })));
    assert!(task_a.run().is_pending());
    open.send(()).unwrap();
    assert!(task_b.run().is_pending(), "in its own shield");
    b.cancel();
    for _ in 0..3 {
        assert!(task_b.run().is_pending(), "a hold too few in B: {:?}", log.all());
        assert!(task_b.poll().is_pending(), "a hold too few in B: {:?}", log.all());
    }
    open_own.send(()).unwrap();
    assert!(task_b.run().is_ready());
    assert_eq!(log.all(), ["begun", "done"]);
    assert!(matches!(task_a.run(), Poll::Ready(Ok(Ok(())))));
}

#[test]
fn l12_two_scopes_that_wait_for_one_shared_future_come_to_rest() {
    // Both are cancelled, and both poll it: each poll moves the hold. They must not wake each other for ever.
    let [a, b] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let (open, gate) = oneshot::channel();
    let flight = shielded(log.clone(), gate).shared();
    let mut task_a = Driven::new(a.scope(guard(flight.clone())));
    let mut task_b = Driven::new(b.scope(guard(flight)));
    assert!(task_a.run().is_pending());
    assert!(task_b.run().is_pending());
    let [mut has_a_ended, mut has_b_ended] = [false; 2];
    let mut run_both = || {
        for _ in 0..100 {
            has_a_ended = has_a_ended || task_a.run().is_ready();
            has_b_ended = has_b_ended || task_b.run().is_ready();
            let is_woken = !has_a_ended && task_a.is_woken() || !has_b_ended && task_b.is_woken();
            if !is_woken {
                return [has_a_ended, has_b_ended];
            }
        }
        panic!("they wake each other for ever");
    };
    a.cancel();
    run_both();
    b.cancel();
    // One of them may go, since the other one is there to poll it; but not the last.
    assert_ne!(run_both(), [true, true]);
    assert_eq!(log.all(), ["begun"]);
    open.send(()).unwrap();
    assert_eq!(run_both(), [true, true]);
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_shared_future_whose_last_poller_is_dropped_holds_where_it_was_before() {
    let [a, b] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let (open, gate) = oneshot::channel();
    let flight = shielded(log.clone(), gate).shared();
    let mut task_a = Driven::new(a.scope(guard(flight.clone())));
    let mut task_b = Driven::new(b.scope(guard(flight)));
    assert!(task_a.run().is_pending());
    assert!(task_b.run().is_pending());
    drop(task_b);
    a.cancel();
    for _ in 0..3 {
        assert!(task_a.run().is_pending(), "A is the only one left");
        assert!(task_a.poll().is_pending(), "A is the only one left");
    }
    open.send(()).unwrap();
    assert!(matches!(task_a.run(), Poll::Ready(Ok(Ok(())))));
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_shared_future_whose_last_poller_is_dropped_holds_who_has_begun_it_and_does_not_poll_it() {
    let [a, b] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let (_open, gate) = oneshot::channel();
    let flight = shielded(log.clone(), gate).shared();
    let (mut in_a, in_b) = (flight.clone(), flight);
    let mut task_a = Driven::new(a.scope(async move {
        begin(&mut in_a).await;
        let result = guard(pending::<()>()).await;
        drop(in_a);
        result
    }));
    let mut task_b = Driven::new(b.scope(guard(in_b)));
    assert!(task_a.run().is_pending());
    assert!(task_b.run().is_pending());
    drop(task_b);
    a.cancel();
    assert!(task_a.run().is_pending(), "by failing it would drop the only one");
    assert_eq!(log.all(), ["begun"]);
}

/// What a driver of a database does: the flush that a dropped query has begun is ended by the next user of the connection.
pub(super) struct Connection {
    flush: Option<Boxed>,
}

impl Connection {
    async fn query(&mut self) -> Outcome {
        if let Some(flush) = &mut self.flush {
            let result = flush.await;
            self.flush = None;
            result?;
        }
        Ok(())
    }
}

#[test]
fn l12_what_is_kept_in_a_pooled_connection_holds_its_user_of_the_moment() {
    let (log, own) = (Log::default(), Log::default());
    let (open, gate) = oneshot::channel();
    let connection = Arc::new(futures::lock::Mutex::new(Connection {
        flush: Some(shielded(log.clone(), gate)),
    }));
    // The first user begins the flush, and gives up by itself.
    let first = CancellationToken::new();
    let pooled = Arc::clone(&connection);
    let mut task = Driven::new(first.scope(async move {
        let mut connection = pooled.lock().await;
        let gives_up = future::select(Box::pin(connection.query()), ready(()));
        assert!(matches!(gives_up.await, Either::Right(_)));
        drop(connection);
        guard(pending::<()>()).await
    }));
    assert!(task.run().is_pending());

    // The second ends it, and has a shield of its own after that.
    let second = CancellationToken::new();
    let (open_own, own_gate) = oneshot::channel();
    let cleans_up = shielded(own.clone(), own_gate);
    let mut next_task = Driven::new(second.scope(guard(async move {
        connection.lock().await.query().await?;
        cleans_up.await
    })));
    assert!(next_task.run().is_pending());
    second.cancel();
    assert!(next_task.run().is_pending(), "in the flush");
    first.cancel();
    assert!(
        matches!(task.run(), Poll::Ready(Err(_))),
        "the flush is somebody else's now"
    );
    open.send(()).unwrap();
    assert!(next_task.run().is_pending(), "in its own clean-up");
    assert!(next_task.poll().is_pending(), "in its own clean-up");
    open_own.send(()).unwrap();
    assert!(next_task.run().is_ready());
    assert_eq!((log.all(), own.all()), (vec!["begun", "done"], vec!["begun", "done"]));
}

#[test]
fn l12_a_hold_that_was_begun_nowhere_holds_where_it_is_polled() {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (open, gate) = oneshot::channel();
    let mut hold = shielded(log.clone(), gate);
    // Under no scope.
    assert!(poll_once(&mut hold).is_pending());
    let mut task = Driven::new(token.scope(guard(hold)));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending());
    assert!(task.poll().is_pending());
    open.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Ok(Ok(())))));
    assert_eq!(log.all(), ["begun", "done"]);
}

#[test]
fn l12_a_hold_that_ends_nowhere_leaves_nothing_where_it_began() {
    for is_guarded in [false, true] {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (open, gate) = oneshot::channel();
        let place: Place = Arc::new(Mutex::new(Some(shielded(log.clone(), gate))));
        let kept = Arc::clone(&place);
        let mut task = Driven::new(Scope::new().parent(&token).run(async move {
            let body = begins_and_leaves_alone(kept);
            if is_guarded { guard(body).await? } else { body.await }
        }));
        assert!(task.run().is_pending());
        open.send(()).unwrap();
        let mut hold = place.lock().unwrap().take().unwrap();
        assert!(poll_once(&mut hold).is_ready());
        token.cancel();
        assert!(matches!(task.run(), Poll::Ready(Err(_))), "guarded: {is_guarded}");
    }
}

#[test]
fn l12_the_last_item_of_a_stream_is_waited_for_where_the_stream_is_polled() {
    let [a, b] = [CancellationToken::new(), CancellationToken::new()];
    let log = Log::default();
    let (open, gate) = oneshot::channel();
    let place: Place = Arc::new(Mutex::new(Some(last_item(log.clone(), gate))));
    let mut task_a = Driven::new(a.scope(begins_and_leaves_alone(Arc::clone(&place))));
    assert!(task_a.run().is_pending());
    let stream = place.lock().unwrap().take().unwrap();
    let mut task_b = Driven::new(b.scope(guard(stream)));
    assert!(task_b.run().is_pending());
    a.cancel();
    assert!(matches!(task_a.run(), Poll::Ready(Err(_))));
    assert!(task_b.run().is_pending());
    b.cancel();
    assert!(task_b.run().is_pending());
    assert!(task_b.poll().is_pending());
    open.send(()).unwrap();
    assert!(matches!(task_b.run(), Poll::Ready(Ok(Ok(())))));
    assert_eq!(log.all(), ["begun", "done"]);
}

/// Has something polled by code that is in no scope.
type Elsewhere = fn(Boxed) -> Boxed;

fn polled_once(mut future: Boxed) -> Boxed {
    assert!(poll_once(&mut future).is_pending());
    future
}

/// A task of its own, whose executor is driven in a scope that is cancelled.
#[expect(clippy::async_yields_async, reason = "it goes on elsewhere")]
fn polled_in_a_driven_task(future: Boxed) -> Boxed {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let task = runtime.spawn(async move { polled_once(future) });
    let token = CancellationToken::new();
    token.cancel();
    token.sync_scope(|| runtime.block_on(task)).unwrap()
}

const ELSEWHERE: [(&str, Elsewhere); 3] = [
    ("in no scope", polled_once),
    ("on another thread", |future| {
        std::thread::spawn(move || polled_once(future)).join().unwrap()
    }),
    ("in another's task", polled_in_a_driven_task),
];

/// What is a foreign waiter in a scope of this token, under a waker that is not the scope's.
type Waits = fn(&CancellationToken) -> Boxed;

const WAITERS: [(&str, Waits); 3] = [
    ("guard", |_| async { guard(pending::<Outcome>()).await? }.boxed()),
    ("region", |token| token.scope(pending()).boxed()),
    ("stream", |token| {
        let mut items = token.scope_stream(stream::pending::<()>().boxed());
        async move { items.next().await.map_or(Ok(()), Ok) }.boxed()
    }),
];

#[test]
fn l12_a_foreign_waiter_that_is_polled_in_no_scope_does_not_count_where_it_was() {
    for (name, waits) in WAITERS {
        for (place_name, polled_elsewhere) in ELSEWHERE {
            for is_cancelled_before in [false, true] {
                let token = CancellationToken::new();
                let place: Place = Arc::new(Mutex::new(Some(waits(&token))));
                let (open, gate) = oneshot::channel::<()>();
                let mut task = Driven::new(token.scope(async {
                    let begins = poll_fn(|_| {
                        let mut place = place.lock().unwrap();
                        assert!(poll_once(place.as_mut().unwrap()).is_pending());
                        Poll::Ready(())
                    });
                    guard(begins).await?;
                    gate.await.unwrap();
                    check()
                }));
                assert!(task.run().is_pending());
                let waiter = place.lock().unwrap().take().unwrap();
                if is_cancelled_before {
                    token.cancel();
                }
                let waiter = polled_elsewhere(waiter);
                token.cancel();
                open.send(()).unwrap();
                let case = format!("{name} {place_name}, cancelled before: {is_cancelled_before}");
                assert!(
                    matches!(task.run(), Poll::Ready(Err(_))),
                    "{case}: the check is spared for it"
                );
                drop(waiter);
            }
        }
    }
}

#[test]
fn l10_a_guard_that_has_begun_in_no_scope_does_not_fail_before_it_is_polled_on() {
    for (name, polled_elsewhere) in ELSEWHERE {
        let (open, gate) = oneshot::channel::<()>();
        let value = async move {
            gate.await.unwrap();
            Ok(())
        };
        let guarded = polled_elsewhere(async { guard(value).await? }.boxed());
        open.send(()).unwrap();
        let token = CancellationToken::new();
        token.cancel();
        let outcome = Driven::new(token.scope(guarded)).run();
        assert!(matches!(outcome, Poll::Ready(Ok(()))), "{name}: {outcome:?}");
    }
}
