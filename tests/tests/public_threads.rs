//! Programs that people wrote, and asked about in public, because a cancel hurt them. Each is the shortest form of its thread,
//! with shields, `finish` and scopes where the answers there wish for something like them.

use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use cancelable::{
    CancellationToken, Cancelled, Scope, Spawn, TaskGroup, cancel_scope, cancelable, check, guard, shield, sleep,
};
use futures::channel::{mpsc, oneshot};
use futures::future::{self, BoxFuture, FutureExt as _, Shared};
use futures::stream::{FuturesUnordered, StreamExt as _};
use tests::paused_tokio;
use tests::step::{Driven, Log, two_halves};

type Outcome = Result<(), Cancelled>;
type Boxed = BoxFuture<'static, Outcome>;
type Gate = oneshot::Receiver<()>;

/// A gate, and what opens it.
fn gate() -> (oneshot::Sender<()>, Gate) {
    oneshot::channel()
}

// Databases and pools -------------------------------------------------------------------------------------------------

/// A session of a database, as the server sees it and as the client does.
#[derive(Default)]
struct Session {
    is_in_transaction: bool,
    depth: u32,
}

#[cancelable]
async fn begin_transaction(session: &Mutex<Session>, round_trip: Gate) -> Outcome {
    session.lock().unwrap().is_in_transaction = true;
    #[cancelable(finish)]
    let _ = round_trip.await;
    session.lock().unwrap().depth += 1;
    Ok(())
}

/// <https://github.com/transact-rs/sqlx/issues/4393>, <https://github.com/transact-rs/sqlx/issues/4385>: a `BEGIN` that is cut in its
/// round trip leaves a transaction open that nobody knows of. Here it is one branch of a loop that also keeps the session alive.
#[test]
fn l12_a_begin_that_is_on_its_way_is_not_cut_in_a_select_loop() {
    #[cancelable]
    async fn work(session: Arc<Mutex<Session>>, round_trip: Gate, mut keep_alive: mpsc::Receiver<()>) -> Outcome {
        let mut begins = pin!(begin_transaction(&session, round_trip));
        loop {
            tokio::select! {
                begun = &mut begins => break begun?,
                Some(()) = keep_alive.next() => {}
            }
        }
        pending().await
    }
    let (token, session) = (CancellationToken::new(), Arc::new(Mutex::new(Session::default())));
    let (arrives, round_trip) = gate();
    let (mut tick, ticks) = mpsc::channel(1);
    let mut task = Driven::new(token.scope(work(Arc::clone(&session), round_trip, ticks)));
    assert!(task.run().is_pending());
    tick.try_send(()).unwrap();
    assert!(task.run().is_pending());
    token.cancel_with("the client is gone");
    assert!(task.run().is_pending());
    tick.try_send(()).unwrap();
    assert!(task.run().is_pending());
    arrives.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    let session = session.lock().unwrap();
    assert_eq!(
        (session.is_in_transaction, session.depth),
        (true, 1),
        "a transaction that nobody rolls back"
    );
}

/// <https://github.com/transact-rs/sqlx/issues/1869>: a connection that is being tested when its user is cancelled is lost to the pool.
#[test]
fn l12_a_connection_that_is_being_tested_comes_back_to_its_pool() {
    #[cancelable]
    async fn acquire(idle: Arc<Mutex<VecDeque<u32>>>, ping: Gate) -> Result<u32, Cancelled> {
        let connection = idle.lock().unwrap().pop_front().unwrap();
        #[cancelable(shield)]
        let _ = ping.await;
        if let Err(cancelled) = check() {
            idle.lock().unwrap().push_back(connection);
            return Err(cancelled);
        }
        Ok(connection)
    }
    #[cancelable]
    async fn two_queries(mut all: FuturesUnordered<BoxFuture<'static, Result<u32, Cancelled>>>) -> Outcome {
        while let Some(connection) = all.next().await {
            drop(connection);
        }
        Ok(())
    }
    let (token, idle) = (CancellationToken::new(), Arc::new(Mutex::new(VecDeque::from([1, 2]))));
    let [(answers_first, first), (answers_second, second)] = [gate(), gate()];
    let all = [first, second].map(|ping| acquire(Arc::clone(&idle), ping).boxed());
    let mut task = Driven::new(token.scope(two_queries(all.into_iter().collect())));
    assert!(task.run().is_pending());
    answers_first.send(()).unwrap();
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending(), "the second is being tested");
    answers_second.send(()).unwrap();
    assert!(task.run().is_ready());
    assert_eq!(*idle.lock().unwrap(), [2]);
}

/// <https://github.com/djc/bb8/issues/59>, <https://github.com/djc/bb8/issues/67>: who waits for a connection gives up after its own time, and the
/// place of the connection that was being made is lost.
#[test]
fn l12_a_connection_that_is_being_made_is_made_although_who_asked_for_it_gives_up() {
    let (token, log) = (CancellationToken::new(), Log::default());
    let (made, connect) = gate();
    let mut task = Driven::new(token.scope({
        let log = log.clone();
        async move {
            let connecting = shield(two_halves(log, connect)).shared();
            let patience = Scope::new();
            let gave_up: Outcome = patience
                .run_with(|own| {
                    let connecting = connecting.clone();
                    async move {
                        own.cancel_with("no patience");
                        guard(connecting).await
                    }
                })
                .await;
            assert!(gave_up.is_err(), "it had not begun to wait");
            let waits = Scope::new().run(guard(connecting.clone()));
            waits.await
        }
    }));
    assert!(task.run().is_pending());
    assert_eq!(log.all(), ["begun"]);
    token.cancel();
    assert!(task.run().is_pending());
    made.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Ok(()))));
    assert_eq!(log.all(), ["begun", "done"]);
}

/// <https://github.com/hyperium/hyper/issues/3199>: requests that wait for one connection are cancelled with the one that asked for it first.
#[test]
fn l12_the_request_that_began_to_connect_goes_and_the_others_get_the_connection() {
    let log = Log::default();
    let (connected, connect) = gate();
    let connection = shield(two_halves(log.clone(), connect)).shared();
    let tokens = [(); 3].map(|()| CancellationToken::new());
    let mut requests: Vec<_> = tokens
        .iter()
        .map(|token| {
            let connection = connection.clone();
            Driven::new(token.scope(async move {
                guard(connection).await?;
                // A request of its own, which is cut at once.
                guard(pending::<()>()).await
            }))
        })
        .collect();
    drop(connection);
    for request in &mut requests {
        assert!(request.run().is_pending());
    }
    // It may go, or wait for the connection: that others would poll it without this one cannot be known.
    tokens[0].cancel();
    let mut first = requests.remove(0);
    let has_gone = first.run().is_ready();
    assert_eq!(log.all(), ["begun"]);
    connected.send(()).unwrap();
    assert!(has_gone || matches!(first.run(), Poll::Ready(Err(_))));
    for request in &mut requests {
        assert!(request.run().is_pending(), "connected");
    }
    assert_eq!(log.all(), ["begun", "done"]);
    for token in &tokens[1..] {
        token.cancel();
    }
    for request in &mut requests {
        assert!(
            matches!(request.run(), Poll::Ready(Err(_))),
            "held up by a connection that has been made"
        );
    }
}

/// <https://github.com/tokio-rs/tokio/issues/3482>, <https://github.com/apache/asyncband/pull/168>: a cell whose initialisation is resumed by the next caller when
/// the first one is gone.
#[test]
fn l12_an_initialisation_that_one_caller_begins_and_another_ends_holds_the_one_that_is_at_it() {
    type Cell = Arc<futures::lock::Mutex<Result<u32, BoxFuture<'static, u32>>>>;
    async fn get(cell: Cell) -> u32 {
        let mut cell = cell.lock().await;
        if let Err(initialise) = &mut *cell {
            *cell = Ok(initialise.await);
        }
        *cell.as_ref().unwrap_or_else(|_| unreachable!())
    }
    let log = Log::default();
    let (loaded, load) = gate();
    let initialise = shield(two_halves(log.clone(), load)).map(|()| 7).boxed();
    let cell: Cell = Arc::new(futures::lock::Mutex::new(Err(initialise)));
    let [first, second] = [CancellationToken::new(), CancellationToken::new()];
    let mut begins = Driven::new(first.scope(get(Arc::clone(&cell))));
    assert!(begins.run().is_pending());
    // Its client goes.
    drop(begins);
    assert_eq!(log.all(), ["begun"]);
    let mut ends = Driven::new(second.scope(async move {
        let value = guard(get(cell)).await?;
        guard(ready(value)).await
    }));
    assert!(ends.run().is_pending());
    second.cancel();
    assert!(ends.run().is_pending());
    loaded.send(()).unwrap();
    assert!(matches!(ends.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), ["begun", "done"]);
}

/// <https://github.com/mongodb/mongo-rust-driver/pull/234>, <https://github.com/plabayo/rama/pull/868>: a count of connections that is put right where an operation ends.
#[test]
fn l12_what_is_put_right_after_an_operation_is_put_right_whoever_is_cancelled() {
    #[cancelable]
    async fn operation(used: Arc<Mutex<u32>>, answer: Gate) -> Outcome {
        *used.lock().unwrap() += 1;
        let result: Result<(), Cancelled> = async { guard(answer).await.map(drop) }.await;
        #[cancelable(shield)]
        tests::ready_after(3, ()).await;
        *used.lock().unwrap() -= 1;
        result
    }
    #[cancelable]
    async fn all(mut operations: FuturesUnordered<Boxed>) -> Outcome {
        while let Some(result) = operations.next().await {
            drop(result);
        }
        Ok(())
    }
    for answered in 0..4 {
        let (token, used) = (CancellationToken::new(), Arc::new(Mutex::new(0)));
        let (senders, operations): (Vec<_>, FuturesUnordered<_>) = (0..4)
            .map(|_| {
                let (sender, answer) = gate();
                (sender, operation(Arc::clone(&used), answer).boxed())
            })
            .unzip();
        let mut task = Driven::new(token.scope(all(operations)));
        assert!(task.run().is_pending());
        assert_eq!(*used.lock().unwrap(), 4);
        let mut senders = senders.into_iter();
        for sender in senders.by_ref().take(answered) {
            sender.send(()).unwrap();
        }
        token.cancel();
        assert!(task.run().is_ready());
        drop(task);
        assert_eq!(*used.lock().unwrap(), 0, "{answered} had been answered");
    }
}

// Crowds --------------------------------------------------------------------------------------------------------------

/// <https://github.com/rust-lang/futures-rs/issues/2387>, <https://github.com/rust-lang/wg-async/issues/131>: the body of the loop waits for a permit that members of the crowd
/// hold, which nobody polls meanwhile. A cancel ends this dead lock.
#[test]
fn l12_a_cancel_ends_a_loop_that_waits_for_what_its_own_crowd_holds() {
    #[cancelable]
    async fn fetch(permits: Arc<tokio::sync::Semaphore>, is_quick: bool) -> Outcome {
        let _permit = permits.acquire().await;
        if !is_quick {
            pending::<()>().await;
        }
        Ok(())
    }
    #[cancelable]
    async fn process(permits: Arc<tokio::sync::Semaphore>, log: Log) -> Outcome {
        let mut fetches = FuturesUnordered::new();
        for number in 0..3 {
            fetches.push(fetch(Arc::clone(&permits), number == 2));
        }
        while let Some(fetched) = fetches.next().await {
            fetched?;
            log.add("fetched");
            // The permits are with fetches that wait for their turn.
            let _more = permits.acquire_many(2).await;
            log.add("stored");
        }
        Ok(())
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let permits = Arc::new(tokio::sync::Semaphore::new(3));
    let mut task = Driven::new(token.scope(process(Arc::clone(&permits), log.clone())));
    assert!(task.run().is_pending());
    assert_eq!(log.all(), ["fetched"]);
    token.cancel();
    assert!(
        matches!(task.run(), Poll::Ready(Err(_))),
        "held up by fetches that nobody polls"
    );
    drop(task);
    assert_eq!(permits.available_permits(), 3);
}

/// The same, with a member that may not be dropped: this is a dead lock that only a grace ends, and it does.
#[test]
fn l14_a_loop_that_waits_for_what_a_shield_in_its_own_crowd_holds_is_ended_by_the_grace() {
    #[cancelable]
    async fn process(permits: Arc<tokio::sync::Semaphore>, log: Log) -> Outcome {
        let inner = Arc::clone(&permits);
        let writes = async move {
            let permit = inner.acquire().await;
            two_halves(log, ready(())).await;
            // It gives way before it gives the permit back.
            tokio::task::yield_now().await;
            drop(permit);
            Ok(())
        };
        let mut crowd: FuturesUnordered<BoxFuture<'_, Outcome>> = FuturesUnordered::new();
        crowd.push(shield(writes).boxed());
        crowd.push(ready(Ok(())).boxed());
        while let Some(done) = crowd.next().await {
            done?;
            let _permit = permits.acquire().await;
        }
        Ok(())
    }
    paused_tokio().block_on(async {
        let permits = Arc::new(tokio::sync::Semaphore::new(1));
        let begun = tokio::time::Instant::now();
        let outcome = cancel_scope!(timeout = "1s", grace = "2s", async {
            process(permits, Log::default()).await
        })
        .await;
        assert!(outcome.unwrap_err().was_forced());
        assert_eq!(begun.elapsed().as_secs(), 3);
    });
}

/// <https://rfd.shared.oxide.computer/rfd/0609>, "futurelock": a future that is polled by reference is next in line for a lock, and the branch that
/// won waits for the same lock.
#[test]
fn l12_a_cancel_ends_a_futurelock() {
    #[cancelable]
    async fn do_async_thing(lock: Arc<tokio::sync::Mutex<()>>, log: Log) -> Outcome {
        let _locked = lock.lock().await;
        log.add("locked");
        Ok(())
    }
    #[cancelable]
    async fn do_stuff(lock: Arc<tokio::sync::Mutex<()>>, timer: Gate, log: Log) -> Outcome {
        let mut first = do_async_thing(Arc::clone(&lock), log.clone()).boxed();
        tokio::select! {
            biased;
            result = &mut first => result?,
            _ = timer => do_async_thing(lock, log).await?,
        }
        Ok(())
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let lock = Arc::new(tokio::sync::Mutex::new(()));
    let held = Arc::clone(&lock).try_lock_owned().unwrap();
    let (timer, timer_passed) = gate();
    let mut task = Driven::new(token.scope(do_stuff(Arc::clone(&lock), timer_passed, log.clone())));
    assert!(task.run().is_pending());
    timer.send(()).unwrap();
    assert!(task.run().is_pending());
    drop(held);
    assert!(task.run().is_pending(), "the lock is with the future that nobody polls");
    token.cancel();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    drop(task);
    assert!(lock.try_lock().is_ok());
    assert_eq!(log.all(), [""; 0]);
}

/// <https://github.com/rust-lang/futures-rs/issues/2961>: members of a crowd that have not had their first poll when the loop ends.
#[test]
fn l12_members_that_have_not_begun_do_not_begin_after_the_cancel() {
    #[cancelable]
    async fn request(log: Log) -> Outcome {
        log.add("sent");
        pending::<()>().await;
        Ok(())
    }
    #[cancelable]
    async fn send_all(mut crowd: FuturesUnordered<Boxed>) -> Outcome {
        while let Some(result) = crowd.next().await {
            drop(result);
        }
        Ok(())
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let crowd = FuturesUnordered::new();
    let canceller = token.clone();
    crowd.push(
        async move {
            canceller.cancel();
            Ok(())
        }
        .boxed(),
    );
    for _ in 0..3 {
        crowd.push(request(log.clone()).boxed());
    }
    let mut task = Driven::new(token.scope(send_all(crowd)));
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), [""; 0]);
}

/// <https://github.com/rust-lang/futures-rs/pull/2897>: if a member should not be dropped before it resolves, its crowd should not be dropped before it is empty.
#[test]
fn l12_a_crowd_is_not_dropped_before_the_members_that_must_not_be() {
    #[cancelable]
    async fn upload(part: u32, acknowledged: Gate, stored: Arc<Mutex<Vec<u32>>>) -> Outcome {
        #[cancelable(finish)]
        let _ = acknowledged.await;
        stored.lock().unwrap().push(part);
        Ok(())
    }
    #[cancelable]
    async fn upload_all(mut parts: FuturesUnordered<Boxed>) -> Outcome {
        loop {
            match parts.next().await {
                Some(part) => part?,
                None => break,
            }
        }
        Ok(())
    }
    for before_the_cancel in 0..5 {
        let (token, stored) = (CancellationToken::new(), Arc::default());
        let (acknowledge, parts): (Vec<_>, FuturesUnordered<_>) = (0..5)
            .map(|part| {
                let (sender, acknowledged) = gate();
                (sender, upload(part, acknowledged, Arc::clone(&stored)).boxed())
            })
            .unzip();
        let mut task = Driven::new(token.scope(upload_all(parts)));
        for (number, acknowledge) in acknowledge.into_iter().enumerate() {
            assert!(task.run().is_pending());
            if number == before_the_cancel {
                token.cancel();
                assert!(task.run().is_pending());
            }
            acknowledge.send(()).unwrap();
        }
        assert!(task.run().is_ready());
        assert_eq!(*stored.lock().unwrap(), [0, 1, 2, 3, 4]);
    }
}

/// <https://github.com/rust-lang/futures-rs/issues/304>, <https://github.com/rust-lang/futures-rs/issues/339>: the clone that polled a shared future is dropped, and the other one has to
/// be woken.
#[test]
fn l11_a_shared_shield_whose_poller_is_cancelled_goes_on_with_the_other() {
    let log = Log::default();
    let (completes, work) = gate();
    let shared = shield(two_halves(log.clone(), work)).shared();
    let [first, second] = [CancellationToken::new(), CancellationToken::new()];
    let mut waits = Driven::new(second.scope(guard(shared.clone())));
    assert!(waits.run().is_pending());
    let mut polls = Driven::new(first.scope(guard(shared)));
    assert!(polls.run().is_pending());
    // Aborted from outside; whoever waits is woken and polls.
    drop(polls);
    completes.send(()).unwrap();
    assert!(matches!(waits.run(), Poll::Ready(Ok(()))));
    assert_eq!(log.all(), ["begun", "done"]);
}

/// <https://github.com/rust-lang/futures-rs/issues/2261>: a `poll` that clones a shared future, polls the clone and drops it.
#[test]
fn l12_a_shared_shield_that_is_polled_by_a_clone_of_the_moment_is_held() {
    fn poll_a_clone<F: Future<Output: Clone>>(shared: &Shared<F>) -> impl Future<Output = F::Output> {
        poll_fn(move |cx| shared.clone().poll_unpin(cx))
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let (_completes, work) = gate();
    let shared = shield(two_halves(log.clone(), work)).shared();
    let mut task = Driven::new(token.scope(async { guard(poll_a_clone(&shared)).await }));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending());
    assert!(task.poll().is_pending());
    assert_eq!(log.all(), ["begun"]);
}

// `select!` in loops --------------------------------------------------------------------------------------------------

/// <https://github.com/nymtech/nym/issues/1968>, <https://github.com/r3bl-org/r3bl-open-core/issues/337>: audits of loops round `select!` for what they cut.
#[test]
fn l12_an_action_that_is_handled_in_a_select_loop_is_handled_to_its_end() {
    #[cancelable]
    async fn run(mut actions: mpsc::Receiver<Gate>, mut acks: mpsc::Receiver<()>, log: Log) -> Outcome {
        let mut handling: Option<BoxFuture<'static, ()>> = None;
        loop {
            tokio::select! {
                () = poll_fn(|cx| handling.as_mut().map_or(Poll::Pending, |handling| handling.poll_unpin(cx))) => {
                    handling = None;
                }
                Some(action) = actions.next(), if handling.is_none() => {
                    handling = Some(shield(two_halves(log.clone(), action)).boxed());
                }
                Some(()) = acks.next() => log.add("ack"),
            }
        }
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let ((mut act, actions), (mut ack, acks)) = (mpsc::channel(4), mpsc::channel(4));
    let mut task = Driven::new(token.scope(run(actions, acks, log.clone())));
    let (handled, action) = gate();
    act.try_send(action).unwrap();
    assert!(task.run().is_pending());
    ack.try_send(()).unwrap();
    assert!(task.run().is_pending());
    token.cancel();
    ack.try_send(()).unwrap();
    assert!(task.run().is_pending());
    assert_eq!(log.all(), ["begun", "ack", "ack"]);
    // Meanwhile another arrives; it is not begun.
    let (_never, another) = gate();
    act.try_send(another).unwrap();
    assert!(task.run().is_pending());
    handled.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), ["begun", "ack", "ack", "done"]);
}

/// <https://github.com/MaterializeInc/materialize/pull/12957>: a shutdown should wait for the message that is being written, and for no other.
#[test]
fn l12_a_shutdown_waits_for_one_message_and_begins_no_other() {
    #[cancelable]
    async fn download(mut chunks: mpsc::Receiver<Gate>, log: Log) -> Outcome {
        while let Some(written) = chunks.next().await {
            #[cancelable(finish)]
            two_halves(log.clone(), written).await;
        }
        Ok(())
    }
    #[cancelable]
    async fn with_progress(chunks: mpsc::Receiver<Gate>, log: Log, mut progress: mpsc::Receiver<()>) -> Outcome {
        let mut download = download(chunks, log).boxed();
        loop {
            tokio::select! {
                result = &mut download => return result,
                Some(()) = progress.next() => {}
            }
        }
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let ((mut chunk, chunks), (mut tick, ticks)) = (mpsc::channel(4), mpsc::channel(4));
    let mut task = Driven::new(token.scope(with_progress(chunks, log.clone(), ticks)));
    let [(write, written), (_write_next, next)] = [gate(), gate()];
    chunk.try_send(written).unwrap();
    chunk.try_send(next).unwrap();
    for _ in 0..3 {
        tick.try_send(()).unwrap();
        assert!(task.run().is_pending());
    }
    token.cancel_with("shutdown");
    for _ in 0..3 {
        tick.try_send(()).unwrap();
        assert!(task.run().is_pending());
    }
    write.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), ["begun", "done"]);
}

/// <https://github.com/plabayo/tokio-graceful/issues/7>: work in steps of which some are mandatory, once the round has got to them.
#[test]
fn l12_mandatory_steps_are_ended_and_no_other_step_is_begun() {
    #[cancelable]
    async fn rounds(mut steps: mpsc::Receiver<Gate>, log: Log) -> Outcome {
        loop {
            let Some(optional) = steps.next().await else {
                return Ok(());
            };
            log.add("optional");
            let _ = optional.await;
            let Some(mandatory) = steps.next().await else {
                return Ok(());
            };
            #[cancelable(shield)]
            two_halves(log.clone(), mandatory).await;
        }
    }
    // It ends in an optional step at once, in a mandatory one behind that.
    for steps_before in [1, 2] {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (mut next, steps) = mpsc::channel(4);
        let rounds = rounds(steps, log.clone()).boxed();
        let mut task = Driven::new(token.scope(async move {
            let others = ready(Ok(())).boxed();
            let mut crowd = FuturesUnordered::from_iter([rounds, others]);
            while guard(crowd.next()).await?.is_some() {}
            Ok::<_, Cancelled>(())
        }));
        let [(end_first, first), (end_second, second)] = [gate(), gate()];
        next.try_send(first).unwrap();
        next.try_send(second).unwrap();
        assert!(task.run().is_pending());
        if steps_before == 2 {
            end_first.send(()).unwrap();
            assert!(task.run().is_pending());
        }
        token.cancel();
        if steps_before == 2 {
            assert!(task.run().is_pending());
            end_second.send(()).unwrap();
        }
        assert!(matches!(task.run(), Poll::Ready(Err(_))));
        let all = ["optional", "begun", "done"];
        assert_eq!(log.all(), all[..if steps_before == 2 { 3 } else { 1 }]);
    }
}

/// <https://github.com/smol-rs/async-task/issues/2>, <https://github.com/async-rs/async-std/issues/1075>: a server that is told to end accepts nothing more, and lets what it is
/// doing get to its end.
#[test]
fn l12_a_server_in_one_task_lets_its_requests_end() {
    #[cancelable]
    async fn serve(answer: Gate, log: Log) -> Outcome {
        #[cancelable(finish)]
        two_halves(log, answer).await;
        Ok(())
    }
    #[cancelable]
    async fn server(mut connections: mpsc::Receiver<Gate>, log: Log) -> Outcome {
        let mut running = FuturesUnordered::new();
        loop {
            tokio::select! {
                Some(ended) = running.next() => ended?,
                Some(connection) = connections.next() => running.push(serve(connection, log.clone())),
            }
        }
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let (mut connect, connections) = mpsc::channel(8);
    let mut task = Driven::new(token.scope(server(connections, log.clone())));
    let answers: Vec<_> = (0..3)
        .map(|_| {
            let (answer, connection) = gate();
            connect.try_send(connection).unwrap();
            assert!(task.run().is_pending());
            answer
        })
        .collect();
    token.cancel_with("shutdown");
    assert_eq!(log.count("begun"), 3);
    for (ended, answer) in answers.into_iter().enumerate() {
        assert!(task.run().is_pending());
        assert_eq!(log.count("done"), ended);
        answer.send(()).unwrap();
    }
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    drop(task);
    assert_eq!((log.count("begun"), log.count("done"), log.count("cut")), (3, 3, 0));
}

/// <https://github.com/tokio-rs/tokio/issues/5285>: a lock that is held across a read, which a `select!` drops. In a shield, nobody sees what it guards
/// half-way.
#[test]
fn l12_what_is_written_under_a_lock_is_never_seen_half_way() {
    type Pair = Arc<tokio::sync::Mutex<[u32; 2]>>;
    #[cancelable]
    async fn write(pair: Pair, read: Gate) -> Outcome {
        let mut locked = pair.lock().await;
        #[cancelable(shield)]
        {
            locked[0] += 1;
            let _ = read.await;
            locked[1] += 1;
        }
        Ok(())
    }
    #[cancelable]
    async fn with_timer(pair: Pair, read: Gate, mut timer: mpsc::Receiver<()>) -> Outcome {
        let mut write = write(pair, read).boxed();
        while let Some(()) = tokio::select! {
            result = &mut write => return result,
            tick = timer.next() => tick,
        } {}
        Ok(())
    }
    let (token, pair) = (CancellationToken::new(), Pair::default());
    let (answers, read) = gate();
    let (mut tick, ticks) = mpsc::channel(4);
    let mut task = Driven::new(token.scope(with_timer(Arc::clone(&pair), read, ticks)));
    for _ in 0..2 {
        assert!(task.run().is_pending());
        tick.try_send(()).unwrap();
    }
    token.cancel();
    assert!(task.run().is_pending());
    assert!(pair.try_lock().is_err());
    tick.try_send(()).unwrap();
    assert!(task.run().is_pending());
    answers.send(()).unwrap();
    assert!(task.run().is_ready());
    assert_eq!(*pair.try_lock().unwrap(), [1, 1]);
}

/// <https://github.com/embassy-rs/embassy/pull/3844>, <https://github.com/esp-rs/esp-hal/pull/3242>: a transfer that is dropped leaves the chip selected.
#[test]
fn l12_a_transfer_ends_before_its_device_is_let_go_of() {
    #[cancelable]
    async fn transfer(chip: Arc<Mutex<bool>>, words: Vec<Gate>) -> Outcome {
        for word in words {
            *chip.lock().unwrap() = true;
            #[cancelable(finish)]
            let _ = word.await;
            *chip.lock().unwrap() = false;
        }
        Ok(())
    }
    let (token, chip) = (CancellationToken::new(), Arc::new(Mutex::new(false)));
    let (sent, words): (Vec<_>, Vec<_>) = (0..3).map(|_| gate()).unzip();
    let transfers = transfer(Arc::clone(&chip), words).boxed();
    let (interrupt, interrupted) = gate();
    let mut task = Driven::new(token.scope(async move {
        let mut transfers = transfers;
        let interrupted = pin!(interrupted);
        drop(guard(future::select(&mut transfers, interrupted)).await?);
        guard(transfers).await?
    }));
    let mut sent = sent.into_iter();
    assert!(task.run().is_pending());
    sent.next().unwrap().send(()).unwrap();
    assert!(task.run().is_pending());
    interrupt.send(()).unwrap();
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending());
    assert!(*chip.lock().unwrap());
    sent.next().unwrap().send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert!(!*chip.lock().unwrap());
}

// Shields -------------------------------------------------------------------------------------------------------------

/// <https://github.com/Kotlin/kotlinx.coroutines/issues/4643>, <https://github.com/Kotlin/kotlinx.coroutines/issues/962>: what a shielded block has opened is thrown away when it ends
/// under a cancel.
#[test]
fn l10_what_a_shield_returns_under_a_cancel_is_not_thrown_away() {
    #[cancelable]
    async fn work(opened: oneshot::Receiver<u32>, log: Log) -> Outcome {
        #[cancelable(shield)]
        let resource = opened.await.unwrap();
        assert_eq!(resource, 7);
        log.add("opened");
        let result = check();
        log.add("released");
        result
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let (open, opened) = oneshot::channel();
    let mut task = Driven::new(token.scope(work(opened, log.clone())));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending());
    open.send(7).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), ["opened", "released"]);
}

/// <https://github.com/Kotlin/kotlinx.coroutines/issues/3355>: a purchase and what is done with its result belong together, also when the user has left the
/// screen; the screen polls both beside its events.
#[test]
fn l13_a_purchase_and_its_result_belong_together() {
    #[cancelable]
    async fn purchase(api: Gate, store: Gate, log: Log) -> Outcome {
        #[cancelable(shield)]
        {
            two_halves(log.clone(), api).await;
            two_halves(log, store).await;
        }
        Ok(())
    }
    #[cancelable]
    async fn screen(buys: Boxed, mut events: mpsc::Receiver<&'static str>, log: Log) -> Outcome {
        let mut buys = buys.fuse();
        loop {
            futures::select! {
                result = buys => result?,
                event = events.next() => log.add(event.unwrap()),
            }
        }
    }
    let (token, log) = (CancellationToken::new(), Log::default());
    let [(answers, api), (stores, store)] = [gate(), gate()];
    let (mut event, events) = mpsc::channel(4);
    let buys = purchase(api, store, log.clone()).boxed();
    let mut task = Driven::new(token.scope(screen(buys, events, log.clone())));
    assert!(task.run().is_pending());
    event.try_send("touched").unwrap();
    assert!(task.run().is_pending());
    token.cancel_with("left");
    assert!(task.run().is_pending());
    answers.send(()).unwrap();
    assert!(task.run().is_pending());
    stores.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), ["begun", "touched", "done", "begun", "done"]);
}

/// <https://github.com/python-trio/trio/issues/1175>: a scope that was not cancelled itself must not take the cancel of the one outside for its own, also when it is
/// shielded half-way.
#[test]
fn l15_a_scope_does_not_claim_a_cancel_that_was_meant_for_the_one_outside() {
    let outcome = futures::executor::block_on(Scope::new().name("outer").run_with(|outer| async move {
        let inner: Outcome = Scope::new()
            .name("inner")
            .run_with(|inner| {
                let outer = outer.clone();
                async move {
                    outer.cancel();
                    let cancelled = guard(ready(())).await.unwrap_err();
                    shield(tests::ready_after(2, ())).await;
                    assert!(!cancelled.belongs_to(&inner));
                    Err(cancelled)
                }
            })
            .await;
        let cancelled = inner.unwrap_err();
        assert!(cancelled.belongs_to(&outer));
        Err::<(), _>(cancelled)
    }));
    assert!(outcome.is_err());
}

/// <https://github.com/agronholm/anyio/issues/370>: shields in shields with time limits, while the scope outside is cancelled.
#[test]
fn l13_a_shield_in_a_shield_with_a_time_limit_takes_its_time() {
    paused_tokio().block_on(async {
        let begun = tokio::time::Instant::now();
        let outcome: Outcome = Scope::new()
            .run_with(|outer| async move {
                let limited = shield(async {
                    outer.cancel();
                    // The limit of the shield outside passes while this one is pending.
                    shield(tokio::time::sleep(Duration::from_secs(2))).await;
                    check()
                });
                let limited = limited.timeout(Duration::from_secs(1)).await;
                assert!(limited.unwrap_err().is_timeout(), "noticed behind the inner shield");
                check()
            })
            .await;
        assert!(outcome.is_err());
        assert_eq!(begun.elapsed().as_secs(), 2);
    });
}

/// <https://github.com/agronholm/anyio/pull/648>: tasks of a group that was opened in a shield are shielded as their host is.
#[test]
fn l13_a_group_in_a_shield_is_shielded() {
    #[derive(Clone, Default)]
    struct Later(Arc<Mutex<Vec<BoxFuture<'static, ()>>>>);
    impl Spawn for Later {
        fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
            self.0.lock().unwrap().push(Box::pin(task));
        }
    }
    let (token, on) = (CancellationToken::new(), Later::default());
    let (answers, answer) = gate();
    let tasks = on.clone();
    let mut host = Driven::new(token.scope(async move {
        let joined = shield(async move {
            let mut group: TaskGroup<(), Cancelled, Later> = TaskGroup::on(tasks);
            group.spawn(async move { guard(answer).await.map(drop) });
            group.join().await
        });
        joined.await.unwrap();
        check()
    }));
    assert!(host.run().is_pending());
    let mut task = Driven::new(on.0.lock().unwrap().pop().unwrap());
    assert!(task.run().is_pending());
    token.cancel();
    assert!(host.run().is_pending());
    assert!(
        task.run().is_pending(),
        "a shield round the group is one round its tasks"
    );
    answers.send(()).unwrap();
    assert!(task.run().is_ready());
    assert!(matches!(host.run(), Poll::Ready(Err(_))));
}

/// <https://github.com/python/cpython/issues/99714>, <https://github.com/QubesOS/qubes-core-admin/pull/867>: several steps of clean-up one after the other, of which a cancel in the first must
/// not skip the second.
#[test]
fn l13_a_cancel_in_the_first_step_of_a_clean_up_skips_none_of_the_others() {
    #[cancelable]
    async fn stop(events: [Gate; 2], log: Log) -> Outcome {
        for event in events {
            #[cancelable(shield)]
            two_halves(log.clone(), event).await;
        }
        log.add("stopped");
        Ok(())
    }
    #[cancelable]
    async fn in_two_shields(fires: Gate, stops: Gate, log: Log) -> Outcome {
        let result = async { guard(fires).await.map(drop) }.await;
        shield(two_halves(log.clone(), ready(()))).await;
        shield(two_halves(log, stops)).await;
        result
    }
    // In a loop there is a check point between the two: to shield it as well, the shield goes round the loop.
    let (token, log) = (CancellationToken::new(), Log::default());
    let [(first, one), (_second, two)] = [gate(), gate()];
    let mut task = Driven::new(token.scope(stop([one, two], log.clone())));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending());
    first.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), ["begun", "done"]);

    // One after the other there is none.
    let (token, log) = (CancellationToken::new(), Log::default());
    let [(_fires, fires), (stops, stopped)] = [gate(), gate()];
    let mut task = Driven::new(token.scope(in_two_shields(fires, stopped, log.clone())));
    assert!(task.run().is_pending());
    token.cancel();
    assert!(task.run().is_pending());
    stops.send(()).unwrap();
    assert!(matches!(task.run(), Poll::Ready(Err(_))));
    assert_eq!(log.all(), ["begun", "done", "begun", "done"]);
}

/// <https://github.com/python-trio/trio/issues/147>: `with move_on_after(CLEANUP_TIMEOUT, shield=True): await send_goodbye()`, while other connections are being closed beside it.
#[test]
fn l13_goodbyes_are_said_to_all_within_their_time() {
    #[cancelable]
    async fn connection(goodbye: Duration, log: Log) -> Outcome {
        let result = async { guard(pending::<()>()).await }.await;
        let said = shield(async {
            sleep(goodbye).await?;
            log.add("goodbye");
            Ok::<_, Cancelled>(())
        })
        .timeout(Duration::from_secs(3))
        .await;
        if said.is_err() {
            log.add("late");
        }
        result
    }
    #[cancelable]
    async fn all(mut connections: FuturesUnordered<Boxed>) -> Outcome {
        while let Some(ended) = connections.next().await {
            assert!(ended.is_err());
        }
        Ok(())
    }
    paused_tokio().block_on(async {
        let (token, log) = (CancellationToken::new(), Log::default());
        let connections = [1, 2, 4, 60].map(|seconds| connection(Duration::from_secs(seconds), log.clone()).boxed());
        let canceller = token.clone();
        let begun = tokio::time::Instant::now();
        let closes = token.scope(all(connections.into_iter().collect()));
        let (outcome, ()) = tokio::join!(closes, async { canceller.cancel() });
        assert!(outcome.is_err());
        assert_eq!(begun.elapsed().as_secs(), 3);
        assert_eq!(log.all(), ["goodbye", "goodbye", "late", "late"]);
    });
}
