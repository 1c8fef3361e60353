//! Executors that are driven inside a scope poll tasks that have nothing to do with it (L18).
//!
//! A connection's driver was started long ago, plainly; a request with a time limit blocks its thread on the runtime, and that
//! polls the driver, too. tokio's tasks are told apart by their number. Elsewhere they cannot be told, so the second half of
//! this file has the ways out that the documentation gives.

#![allow(
    clippy::async_yields_async,
    reason = "a task that outlives the code that starts it is the point"
)]

use std::cell::Cell;
use std::future::{Future, pending, poll_fn, ready};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, ReasonKind, Scope, StreamEnd, StreamExt as _, cancel_scope,
    cancelable, check, current, guard, is_cancelled, propagate, race, remaining, shield, thread,
};
use futures::channel::{mpsc, oneshot};
use futures::executor::LocalPool;
use futures::future;
use futures::stream::{self, FuturesUnordered, StreamExt as _};
use futures::task::LocalSpawnExt as _;
use tests::paused_tokio;
use tests::step::{Log, two_halves};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{self, LocalSet, yield_now};

type Outcome = Result<(), Cancelled>;

const NEVER: CancellationToken = CancellationToken::never();

/// What is asked of a driver, with the place for its answer.
type Request = oneshot::Sender<u32>;

/// Serves what is asked of it, for as long as anybody can ask: the background task of a connection.
#[cancelable]
async fn drive(mut requests: mpsc::UnboundedReceiver<Request>) -> Result<u32, Cancelled> {
    let mut served = 0;
    while let Some(request) = requests.next().await {
        served += 1;
        let _ = request.send(served);
        check()?;
    }
    Ok(served)
}

/// The other end of a driver.
#[derive(Clone)]
struct Connection(mpsc::UnboundedSender<Request>);

impl Connection {
    fn new() -> (Self, mpsc::UnboundedReceiver<Request>) {
        let (sender, receiver) = mpsc::unbounded();
        (Self(sender), receiver)
    }

    /// How many requests have been served, with this one; `None` if the driver is gone.
    async fn ask(&self) -> Option<u32> {
        let (request, answer) = oneshot::channel();
        self.0.unbounded_send(request).ok()?;
        answer.await.ok()
    }
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Lets all other tasks of a one-threaded runtime have several turns.
async fn let_others_run() {
    for _ in 0..10 {
        yield_now().await;
    }
}

/// Asks once, cancels the token, and lets the driver notice, should it look.
async fn ask_and_cancel(connection: &Connection, token: &CancellationToken) -> Outcome {
    assert_eq!(connection.ask().await, Some(1));
    token.cancel_with("the request is over");
    assert_eq!(
        connection.ask().await,
        Some(2),
        "the driver has died of a request's cancel"
    );
    let_others_run().await;
    assert!(check().is_err(), "but the request itself is in its scope");
    guard(ready(())).await
}

// tokio: exact --------------------------------------------------------------------------------------------------------

/// A way to block on a runtime inside a scope with this token.
type Blocking = fn(&Runtime, &CancellationToken, &Connection) -> Outcome;

#[test]
fn l18_a_driver_that_is_polled_by_a_block_on_in_a_scope_is_not_cancelled_by_it() {
    #[cancelable(name = "request", token = token)]
    fn annotated(runtime: &Runtime, token: &CancellationToken, connection: &Connection) -> Outcome {
        runtime.block_on(ask_and_cancel(connection, token))
    }
    let ways: [(&str, Blocking); 6] = [
        ("sync_scope", |runtime, token, connection| {
            token.sync_scope(|| runtime.block_on(ask_and_cancel(connection, token)))
        }),
        ("run_sync", |runtime, token, connection| {
            let scope = Scope::new().parent(token).name("request");
            scope.run_sync(|| runtime.block_on(ask_and_cancel(connection, token)))
        }),
        ("cancel_scope!", |runtime, token, connection| {
            cancel_scope!(parent = token, { runtime.block_on(ask_and_cancel(connection, token)) })
        }),
        ("the attribute", annotated),
        ("propagate", |runtime, token, connection| {
            let carried = token.sync_scope(|| propagate(|| runtime.block_on(ask_and_cancel(connection, token))));
            carried()
        }),
        ("thread::spawn", |runtime, token, connection| {
            // On another thread, which is what drives the runtime then.
            std::thread::scope(|threads| {
                let carried = token.sync_scope(|| propagate(|| runtime.block_on(ask_and_cancel(connection, token))));
                threads.spawn(carried).join().unwrap()
            })
        }),
    ];
    for (name, way) in ways {
        let runtime = current_thread();
        let (connection, requests) = Connection::new();
        let driver = runtime.spawn(drive(requests));
        let outcome = way(&runtime, &CancellationToken::new(), &connection);
        assert!(outcome.is_err(), "{name}");
        assert_eq!(runtime.block_on(connection.ask()), Some(3), "{name}");
        drop(connection);
        assert_eq!(runtime.block_on(driver).unwrap().unwrap(), 3, "{name}");
    }
}

#[test]
fn l18_a_driver_knows_neither_the_deadline_nor_anything_else_of_a_scope_that_polls_it() {
    paused_tokio().block_on(async {
        // Local tasks, so that the driver is polled inside the scope's poll.
        let local = LocalSet::new();
        let (request, mut requests) = mpsc::unbounded::<()>();
        let driver = local.spawn_local(async move {
            let mut turns = 0;
            while let Some(()) = guard(requests.next()).await? {
                turns += 1;
                assert_eq!(current(), NEVER);
                assert!(!is_cancelled());
                assert_eq!(remaining(), None);
                assert!(propagate(check)().is_ok());
                assert!(Scope::new().run_sync(check).is_ok());
                Scope::new().run(guard(ready(()))).await?;
                cancelable::tokio::spawn(async { check() }).await.unwrap()?;
                assert_eq!(shield(async { remaining() }).await, None);
                cancelable::sleep(Duration::from_millis(1)).await?;
            }
            Ok::<_, Cancelled>(turns)
        });
        let outcome: Outcome = Scope::new()
            .name("request")
            .timeout(Duration::from_secs(1))
            .run(local.run_until(async {
                assert!(remaining().is_some());
                for _ in 0..5 {
                    request.unbounded_send(()).unwrap();
                    let_others_run().await;
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                guard(ready(())).await
            }))
            .await;
        assert!(outcome.unwrap_err().is_timeout());
        drop(request);
        let turns = local.run_until(driver).await.unwrap();
        assert!((3..=5).contains(&turns.expect("nobody has cancelled it")));
    });
}

#[test]
fn l18_local_tasks_are_not_cancelled_by_the_scope_that_a_local_set_is_run_in() {
    current_thread().block_on(async {
        let (local, token) = (LocalSet::new(), CancellationToken::new());
        let (connection, requests) = Connection::new();
        let driver = local.spawn_local(drive(requests));
        let outcome: Outcome = Scope::new()
            .parent(&token)
            .run(local.run_until(ask_and_cancel(&connection, &token)))
            .await;
        assert!(outcome.is_err());
        assert_eq!(local.run_until(connection.ask()).await, Some(3));
        drop(connection);
        assert_eq!(local.run_until(driver).await.unwrap().unwrap(), 3);
    });
}

/// <https://github.com/tokio-rs/tokio/issues/2095>, <https://github.com/tokio-rs/tokio/issues/1906>: a `LocalSet` in a task.
#[test]
fn l18_local_tasks_are_not_cancelled_by_the_scope_of_the_task_that_runs_their_set() {
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    // A set is not `Send`: its task is a blocking one.
    let task = runtime.spawn_blocking(|| {
        let token = CancellationToken::new();
        let (connection, requests) = Connection::new();
        let local = LocalSet::new();
        let driver = local.spawn_local(drive(requests));
        let handle = tokio::runtime::Handle::current();
        let outcome = token.sync_scope(|| handle.block_on(local.run_until(ask_and_cancel(&connection, &token))));
        assert!(outcome.is_err());
        drop(connection);
        handle.block_on(local.run_until(driver)).unwrap().unwrap()
    });
    assert_eq!(runtime.block_on(task).unwrap(), 2);
}

#[test]
fn l18_awaiting_a_whole_local_set_in_a_scope_cancels_none_of_its_tasks() {
    current_thread().block_on(async {
        let (local, token) = (LocalSet::new(), CancellationToken::new());
        let (connection, requests) = Connection::new();
        let driver = local.spawn_local(drive(requests));
        let canceller = token.clone();
        local.spawn_local(async move {
            assert_eq!(connection.ask().await, Some(1));
            canceller.cancel();
            assert_eq!(connection.ask().await, Some(2));
        });
        // No check point of the scope is round the set: it is driven to its end.
        token.scope(local).await;
        assert_eq!(driver.await.unwrap().unwrap(), 2);
    });
}

#[test]
fn l18_tasks_of_a_runtime_that_is_blocked_on_in_place_are_not_cancelled_by_the_task_that_does() {
    let outside = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let inside = current_thread();
    let (connection, requests) = Connection::new();
    let driver = inside.spawn(drive(requests));
    let asks = connection.clone();
    let (inside, outcome) = outside
        .block_on(outside.spawn(async move {
            let token = CancellationToken::new();
            let scope = Scope::new().parent(&token);
            let outcome: Outcome = scope
                .run(async { task::block_in_place(|| inside.block_on(ask_and_cancel(&asks, &token))) })
                .await;
            (inside, outcome)
        }))
        .unwrap();
    assert!(outcome.is_err());
    assert_eq!(inside.block_on(connection.ask()), Some(3));
    drop(connection);
    assert_eq!(inside.block_on(driver).unwrap().unwrap(), 3);
}

#[test]
fn l18_a_task_that_was_plainly_spawned_inside_a_scope_is_not_cancelled_by_it_either() {
    // That `tokio::spawn` loses the scope is said in the guide; and it does so whoever polls the task.
    let runtime = current_thread();
    let token = CancellationToken::new();
    let (connection, requests) = Connection::new();
    let driver = token.sync_scope(|| {
        runtime.block_on(async {
            let driver = tokio::spawn(drive(requests));
            drop(ask_and_cancel(&connection, &token).await);
            driver
        })
    });
    drop(connection);
    assert_eq!(runtime.block_on(driver).unwrap().unwrap(), 2);
}

#[test]
fn l18_a_task_that_carries_a_token_of_its_own_has_that_one_whoever_polls_it() {
    let runtime = current_thread();
    let [own, request] = [CancellationToken::new(), CancellationToken::new()];
    let (connection, requests) = Connection::new();
    let driver = own.sync_scope(|| {
        runtime.block_on(async { cancelable::tokio::spawn(async { drive(requests).await.map_err(|e| e.kind()) }) })
    });
    let outcome = request.sync_scope(|| {
        runtime.block_on(async {
            assert_eq!(connection.ask().await, Some(1));
            request.cancel();
            assert_eq!(connection.ask().await, Some(2));
            own.cancel_with("its own");
            let_others_run().await;
            check()
        })
    });
    assert!(outcome.is_err());
    assert_eq!(runtime.block_on(driver).unwrap().unwrap_err(), ReasonKind::Manual);
}

#[test]
fn l12_the_shield_of_a_strangers_task_holds_nobody_up_who_polls_it() {
    current_thread().block_on(async {
        let (local, token, log) = (LocalSet::new(), CancellationToken::new(), Log::default());
        let (open, gate) = oneshot::channel::<()>();
        let stranger = local.spawn_local(shield(two_halves(log.clone(), gate)));
        let request = token.scope(guard(local.run_until(pending::<()>())));
        let mut request = pin!(request);
        for _ in 0..3 {
            assert!(futures::poll!(&mut request).is_pending());
        }
        assert_eq!(log.all(), ["begun"]);
        token.cancel();
        let mut others = pin!(let_others_run());
        let ended = future::select(&mut request, &mut others).await;
        assert!(
            matches!(ended, future::Either::Left((Err(_), _))),
            "held up by a stranger's shield"
        );
        open.send(()).unwrap();
        local.run_until(stranger).await.unwrap();
        assert_eq!(log.all(), ["begun", "done"]);
    });
}

#[test]
fn l18_a_race_in_a_strangers_task_is_decided_by_its_branches_and_not_by_the_scope_that_polls_it() {
    let runtime = current_thread();
    let stranger = runtime.spawn(race((async { guard(yield_now()).await.is_ok() }, async {
        guard(pending::<()>()).await.is_ok()
    })));
    let request = CancellationToken::new();
    request.cancel();
    // Neither the scope's waker is that of the task, nor its task.
    assert!(request.sync_scope(|| runtime.block_on(stranger)).unwrap());
}

#[test]
fn l18_a_scope_that_begins_in_a_strangers_task_is_not_below_the_scope_that_polls_it() {
    let runtime = current_thread();
    let begins = |token: &CancellationToken| {
        assert!(remaining().is_none() && !is_cancelled());
        assert_eq!(current(), *token);
        assert!(check().is_ok());
        token.cancel_with("its own");
        check()
    };
    let in_a_scope = runtime.spawn(Scope::new().run_with(move |token| async move { begins(&token) }));
    let in_a_sync_scope = runtime.spawn(async move { Scope::new().run_sync_with(begins) });
    let request = Scope::new().name("request").timeout(Duration::from_secs(3600));
    let ended: Outcome = request.run_sync_with(|request| {
        request.cancel_with("the request is over");
        for stranger in [in_a_scope, in_a_sync_scope] {
            let error = runtime.block_on(stranger).unwrap().unwrap_err();
            assert_eq!(error.reason().to_string(), "its own");
            assert!(error.scope_path().is_empty(), "{error}");
        }
        Ok(())
    });
    ended.unwrap();
}

#[test]
fn l18_a_stream_with_a_token_in_a_strangers_task_has_its_items_polled_outside_of_the_scope_that_polls_it() {
    let runtime = current_thread();
    let own = CancellationToken::new();
    let stranger = runtime.spawn(async move {
        let asks = stream::poll_fn(|_| Poll::Ready(Some(check())));
        let mut items = pin!(asks.until_cancelled_by(&own, StreamEnd::Now));
        let item = items.next().await;
        own.cancel();
        (item.unwrap(), items.next().await.is_none())
    });
    let outcome: Outcome = Scope::new().run_sync_with(|request| {
        request.cancel();
        let (item, has_ended) = runtime.block_on(stranger).unwrap();
        assert!(has_ended);
        item
    });
    outcome.unwrap();
}

#[test]
fn l14_a_loser_in_a_strangers_task_has_not_the_grace_of_the_scope_that_polls_it() {
    let runtime = current_thread();
    let log = Log::default();
    let logged = log.clone();
    let stranger = runtime.spawn(async move {
        let (open, gate) = oneshot::channel::<()>();
        let cleans_up = async {
            shield(two_halves(logged, gate)).await;
            2
        };
        let wins = async {
            yield_now().await;
            task::spawn(async move {
                let_others_run().await;
                open.send(()).unwrap();
            });
            1
        };
        race((cleans_up, wins)).await
    });
    let request = Scope::new().grace(Duration::ZERO);
    let won: Result<i32, Cancelled> = request.run_sync(|| Ok(runtime.block_on(stranger).unwrap()));
    assert_eq!((won.unwrap(), log.all()), (1, vec!["begun", "done"]));
}

#[test]
fn l12_check_points_in_a_strangers_task_hold_nobody_up_who_polls_it() {
    // They are polled under wakers of their own, and have their own scope.
    current_thread().block_on(async {
        let (local, token) = (LocalSet::new(), CancellationToken::new());
        let own = CancellationToken::new();
        for _ in 0..3 {
            let mut crowd = FuturesUnordered::from_iter((0..3).map(|_| guard(pending::<()>())));
            local.spawn_local(own.scope(async move { guard(crowd.next()).await.map(drop) }));
        }
        let request = token.scope(guard(local.run_until(pending::<()>())));
        let mut request = pin!(request);
        for _ in 0..3 {
            assert!(futures::poll!(&mut request).is_pending());
        }
        token.cancel();
        let mut others = pin!(let_others_run());
        let ended = future::select(&mut request, &mut others).await;
        assert!(matches!(ended, future::Either::Left((Err(_), _))));
    });
}

/// What it awaits there is polled again when it is its turn.
#[test]
fn l18_a_cancel_wakes_no_strangers_task_that_is_pending_in_the_scope() {
    current_thread().block_on(async {
        let (local, token, polls) = (LocalSet::new(), CancellationToken::new(), Rc::new(Cell::new(0)));
        let counted = Rc::clone(&polls);
        local.spawn_local(guard(poll_fn(move |_| {
            counted.set(counted.get() + 1);
            Poll::<()>::Pending
        })));
        let mut request = pin!(token.scope(local.run_until(pending::<()>())));
        for _ in 0..3 {
            assert!(futures::poll!(&mut request).is_pending());
        }
        assert_eq!(polls.get(), 1);
        token.cancel();
        for _ in 0..3 {
            assert!(futures::poll!(&mut request).is_pending());
        }
        assert_eq!(polls.get(), 1, "it was woken");
    });
}

// tokio: the same task is the same scope ------------------------------------------------------------------------------

#[test]
fn l11_an_executor_without_tasks_of_its_own_is_in_the_scope_of_the_task_that_runs_it() {
    current_thread().block_on(async {
        let token = CancellationToken::new();
        let outcome: Outcome = Scope::new()
            .parent(&token)
            .run(async {
                assert!(thread::block_on(async { check() })?.is_ok());
                token.cancel();
                assert!(futures::executor::block_on(async { check() }).is_err());
                assert!(futures::executor::block_on(guard(pending::<()>())).is_err());
                thread::block_on(pending::<()>())
            })
            .await;
        assert!(outcome.is_err());
    });
}

#[test]
fn l11_what_a_task_blocks_on_in_place_is_in_its_scope() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(runtime.spawn(async {
            let token = CancellationToken::new();
            let outcome: Outcome = Scope::new()
                .parent(&token)
                .run(async {
                    task::block_in_place(|| {
                        assert!(check().is_ok());
                        token.cancel();
                        assert!(check().is_err());
                        let handle = tokio::runtime::Handle::current();
                        handle.block_on(async { guard(pending::<()>()).await })
                    })
                })
                .await;
            assert!(outcome.is_err());
        }))
        .unwrap();
}

#[test]
fn l11_a_scope_that_is_spawned_half_way_is_in_force_in_its_new_task() {
    current_thread().block_on(async {
        let (token, log) = (CancellationToken::new(), Log::default());
        let (open, gate) = oneshot::channel::<()>();
        let inner = log.clone();
        let mut scope = Box::pin(Scope::new().parent(&token).run(async move {
            assert!(check().is_ok());
            gate.await.unwrap();
            inner.add("moved");
            assert_ne!(current(), NEVER);
            guard(pending::<()>()).await
        }));
        assert!(futures::poll!(&mut scope).is_pending());
        let task = tokio::spawn(scope);
        open.send(()).unwrap();
        let_others_run().await;
        assert_eq!(log.all(), ["moved"]);
        assert!(!task.is_finished());
        token.cancel();
        let_others_run().await;
        assert!(task.is_finished(), "it has lost its scope");
        assert!(task.await.unwrap().is_err());
    });
}

#[test]
fn l11_a_scope_that_was_begun_in_a_task_is_in_force_where_it_is_ended() {
    // The other way: out of a task, into the code that has started it.
    current_thread().block_on(async {
        let token = CancellationToken::new();
        let mut scope = Box::pin(Scope::new().parent(&token).run(async { guard(pending::<()>()).await }));
        let scope = tokio::spawn(async move {
            assert!(futures::poll!(&mut scope).is_pending());
            scope
        })
        .await
        .unwrap();
        token.cancel();
        assert!(scope.await.is_err());
    });
}

#[test]
fn l11_blocking_tasks_are_in_the_scope_that_they_carry_and_open() {
    current_thread().block_on(async {
        let token = CancellationToken::new();
        token.cancel();
        let carried = token.sync_scope(|| cancelable::tokio::spawn_blocking(check));
        assert!(carried.await.unwrap().is_err());
        let opened = tokio::task::spawn_blocking(move || {
            let handle = tokio::runtime::Handle::current();
            token.sync_scope(|| handle.block_on(async { (check().is_err(), guard(ready(())).await.is_err()) }))
        });
        assert_eq!(opened.await.unwrap(), (true, true));
    });
}

#[test]
fn l20_the_scope_is_back_when_a_strangers_task_has_been_polled() {
    current_thread().block_on(async {
        let (local, token) = (LocalSet::new(), CancellationToken::new());
        let (connection, requests) = Connection::new();
        local.spawn_local(drive(requests));
        local
            .run_until(token.scope(async {
                for served in 1..4 {
                    assert_eq!(connection.ask().await, Some(served));
                    assert_eq!(current(), token);
                }
            }))
            .await;
        token
            .scope(local.run_until(async {
                for served in 4..8 {
                    assert_eq!(connection.ask().await, Some(served));
                    assert_eq!(current(), token);
                }
            }))
            .await;
        assert_eq!(current(), NEVER);
    });
}

// Elsewhere: the ways out ---------------------------------------------------------------------------------------------

/// A driver with a scope of its own, so that no other is in force whoever polls it.
type WayOut = fn(mpsc::UnboundedReceiver<Request>) -> future::LocalBoxFuture<'static, Result<u32, Cancelled>>;

const WAYS_OUT: [(&str, WayOut); 3] = [
    ("never().scope", |requests| Box::pin(NEVER.scope(drive(requests)))),
    ("a detached scope", |requests| {
        Box::pin(Scope::new().detached().run(drive(requests)))
    }),
    ("in_current_scope", |requests| {
        Box::pin(drive(requests).in_current_scope())
    }),
];

/// Asks once, cancels the token, asks again; on any executor.
async fn ask_and_cancel_anywhere(connection: &Connection, token: &CancellationToken) -> Outcome {
    assert_eq!(connection.ask().await, Some(1));
    token.cancel();
    assert_eq!(
        connection.ask().await,
        Some(2),
        "the driver has died of a request's cancel"
    );
    assert_eq!(
        connection.ask().await,
        Some(3),
        "the driver has died of a request's cancel"
    );
    check()
}

#[test]
fn l18_on_a_local_pool_a_driver_with_a_scope_of_its_own_is_not_cancelled_by_the_scope_that_runs_the_pool() {
    for (name, way_out) in WAYS_OUT {
        let mut pool = LocalPool::new();
        let token = CancellationToken::new();
        let (connection, requests) = Connection::new();
        let driver = pool.spawner().spawn_local_with_handle(way_out(requests)).unwrap();
        let outcome = token.sync_scope(|| pool.run_until(ask_and_cancel_anywhere(&connection, &token)));
        assert!(outcome.is_err(), "{name}");
        drop(connection);
        assert_eq!(pool.run_until(driver).unwrap(), 3, "{name}");
    }
}

#[test]
fn l18_on_a_local_executor_of_smol_a_driver_with_a_scope_of_its_own_is_not_cancelled() {
    for (name, way_out) in WAYS_OUT {
        let executor = smol::LocalExecutor::new();
        let token = CancellationToken::new();
        let (connection, requests) = Connection::new();
        let driver = executor.spawn(way_out(requests));
        // In a sync scope, and in an async one.
        let outcome = smol::block_on(token.scope(executor.run(ask_and_cancel_anywhere(&connection, &token))));
        assert!(outcome.is_err(), "{name}");
        let outcome = token.sync_scope(|| smol::block_on(executor.run(async { check() })));
        assert!(outcome.is_err(), "{name}");
        drop(connection);
        assert_eq!(smol::block_on(executor.run(driver)).unwrap(), 3, "{name}");
    }
}

#[test]
fn l18_a_scope_that_is_opened_inside_the_executor_cancels_nobody_elses_task() {
    // The other way out: the scope round the request, and not round what drives all of them.
    let token = CancellationToken::new();
    let (connection, requests) = Connection::new();
    let mut pool = LocalPool::new();
    let driver = pool.spawner().spawn_local_with_handle(drive(requests)).unwrap();
    let scope = Scope::new().parent(&token);
    let outcome = pool.run_until(scope.run(ask_and_cancel_anywhere(&connection, &token)));
    assert!(outcome.is_err());
    drop(connection);
    assert_eq!(pool.run_until(driver).unwrap(), 3);

    let token = CancellationToken::new();
    let (connection, requests) = Connection::new();
    let executor = smol::Executor::new();
    let driver = executor.spawn(drive(requests));
    let scope = Scope::new().parent(&token);
    let outcome = smol::block_on(executor.run(scope.run(ask_and_cancel_anywhere(&connection, &token))));
    assert!(outcome.is_err());
    drop(connection);
    assert_eq!(smol::block_on(executor.run(driver)).unwrap(), 3);
}

/// <https://github.com/rayon-rs/rayon/issues/799>, <https://github.com/rayon-rs/rayon/issues/1077>: who waits in rayon does other work.
#[test]
fn l18_a_job_that_a_waiting_rayon_worker_picks_up_has_its_own_scope_if_it_carries_one() {
    // One thread, so that it is certain who picks up the job.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for is_in_a_scope in [false, true] {
        let [request_a, request_b] = [CancellationToken::new(), CancellationToken::new()];
        let (tell, told) = std::sync::mpsc::channel();
        let inner = request_b.clone();
        let ran = pool.install(move || {
            let job_of_b = move || {
                tell.send((current(), check().is_ok(), remaining())).unwrap();
            };
            if is_in_a_scope {
                inner.sync_scope(|| rayon::spawn(propagate(job_of_b)));
            } else {
                rayon::spawn(propagate(job_of_b));
            }
            let request_a = Scope::new().parent(&request_a).timeout(Duration::from_secs(3600));
            request_a.run_sync_with(|token| {
                token.cancel();
                let ran = rayon::yield_now();
                assert!(check().is_err());
                Ok::<_, Cancelled>(ran)
            })
        });
        assert_eq!(ran.unwrap(), Some(rayon::Yield::Executed));
        let own = if is_in_a_scope { request_b } else { NEVER };
        assert_eq!(told.recv().unwrap(), (own, true, None));
    }
}

#[test]
fn l18_without_a_scope_nothing_is_cancelled_whoever_drives() {
    let runtime = current_thread();
    let (connection, requests) = Connection::new();
    let driver = runtime.spawn(drive(requests));
    assert_eq!(runtime.block_on(connection.ask()), Some(1));
    drop(connection);
    assert_eq!(runtime.block_on(driver).unwrap().unwrap(), 1);
}

// A stream in a stream (A8) -------------------------------------------------------------------------------------------

mod a_stream_in_a_stream {
    use super::*;
    use futures::stream::Stream;
    use std::pin::Pin;
    use std::task::Context;
    use tests::step::Driven;

    /// Hands on what is in it, under a token.
    struct Under<S> {
        stream: S,
        token: CancellationToken,
    }

    impl<S: Stream + Unpin> Stream for Under<S> {
        type Item = S::Item;

        fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
            let this = &mut *self;
            this.token.clone().sync_scope(|| this.stream.poll_next_unpin(cx))
        }
    }

    /// Annotated code that never comes to its item.
    fn items() -> impl Stream<Item = Outcome> + Unpin {
        Box::pin(stream::once(async { guard(pending::<()>()).await }))
    }

    #[test]
    fn l11_what_is_polled_in_a_sync_scope_of_a_poll_is_woken_by_the_cancel() {
        let token = CancellationToken::new();
        let mut stream = Under {
            stream: items(),
            token: token.clone(),
        };
        let mut task = Driven::new(async move { stream.next().await });
        assert!(task.run().is_pending());
        token.cancel();
        assert!(task.is_woken());
        assert!(matches!(task.run(), Poll::Ready(Some(Err(_)))));
    }

    #[test]
    fn l11_and_so_it_is_when_scopes_are_outside() {
        let [outside, token] = [CancellationToken::new(), CancellationToken::new()];
        let mut stream = Under {
            stream: items(),
            token: token.clone(),
        };
        let mut task = Driven::new(outside.scope(async move { guard(stream.next()).await }));
        assert!(task.run().is_pending());
        token.cancel();
        assert!(matches!(task.run(), Poll::Ready(Ok(Some(Err(_))))));
    }

    #[test]
    fn l11_a_scope_round_each_item_of_a_stream_is_woken_as_long_as_it_lives() {
        // What has to be kept between two polls is the scope's future, not only what is in it.
        let token = CancellationToken::new();
        let mut stream = items();
        let mut task = Driven::new(async {
            let mut next = pin!(token.scope(stream.next()));
            std::future::poll_fn(|cx| next.as_mut().poll(cx)).await
        });
        assert!(task.run().is_pending());
        token.cancel();
        assert!(matches!(task.run(), Poll::Ready(Some(Err(_)))));
    }
}

#[test]
fn l11_a_scope_that_is_begun_in_one_task_and_goes_on_in_another_is_that_ones() {
    let runtime = Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        for has_token in [false, true] {
            let (token, log) = (CancellationToken::new(), Log::default());
            let says = log.clone();
            let body = async move {
                if has_token {
                    let _ = current();
                }
                futures::pending!();
                says.add(if check().is_err() { "noticed" } else { "not noticed" });
                Outcome::Ok(())
            };
            let mut scope = Box::pin(Scope::new().parent(&token).run(body));
            let begins = task::spawn(async move {
                assert!(futures::poll!(scope.as_mut()).is_pending());
                scope
            });
            let scope = begins.await.unwrap();
            token.cancel();
            let _ = task::spawn(scope).await.unwrap();
            assert_eq!(log.all(), ["noticed"], "with a token: {has_token}");
        }
    });
}
