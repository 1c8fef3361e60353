//! Owners of tasks that live long: on every runtime, of futures that stay on their thread, and of blocking work.

use std::cell::Cell;
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

use cancelable::{
    AbortHandle, CancelFutureExt as _, CancelReason, CancellationToken, Cancelled, DrainReport, ReasonKind, Scope,
    Spawn, SpawnBlocking, SpawnLocal, TaskError, TaskGroup, TaskInfo, TaskOwner, TaskOwnerBuilder, check, current,
    guard, shield, sleep,
};
use futures::channel::oneshot;
use futures::executor::{LocalPool, LocalSpawner, ThreadPool};
use futures::future;
use futures::stream::{FuturesUnordered, StreamExt as _};
use futures::task::LocalSpawnExt as _;
use tests::wakers::Looks;
use tests::{CountingWaker, DropFlag, Runtime, paused_tokio, poll_once, poll_with};

type Owner = TaskOwner<On>;
type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An hour: longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// Starts tasks where the test runs, as far as there is such a place.
#[derive(Clone, Copy, Debug)]
struct On(Runtime);

impl Spawn for On {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        static POOL: OnceLock<ThreadPool> = OnceLock::new();
        match self.0 {
            Runtime::TokioMultiThread | Runtime::TokioCurrentThread | Runtime::TokioWithoutTime => {
                cancelable::tokio::Tokio.spawn(task);
            }
            Runtime::Smol => cancelable::smol::Smol.spawn(task),
            Runtime::ThreadPool => POOL.get_or_init(|| ThreadPool::new().expect("pool")).spawn_ok(task),
            Runtime::LocalPool | Runtime::BlockOn => {
                std::thread::spawn(|| futures::executor::block_on(task));
            }
            #[cfg(target_os = "linux")]
            Runtime::Compio => compio::runtime::spawn(task).detach(),
        }
    }
}

impl SpawnBlocking for On {
    fn spawn_blocking<F: FnOnce() + Send + 'static>(&self, task: F) {
        match self.0 {
            Runtime::TokioMultiThread | Runtime::TokioCurrentThread | Runtime::TokioWithoutTime => {
                cancelable::tokio::Tokio.spawn_blocking(task);
            }
            Runtime::Smol => cancelable::smol::Smol.spawn_blocking(task),
            Runtime::ThreadPool | Runtime::LocalPool | Runtime::BlockOn => {
                std::thread::spawn(task);
            }
            #[cfg(target_os = "linux")]
            Runtime::Compio => compio::runtime::spawn_blocking(task).detach(),
        }
    }
}

fn on_every_runtime<F, Fut>(test: F)
where
    F: Fn(On) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    for runtime in Runtime::ALL {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| runtime.run(test(On(runtime))))) {
            eprintln!("failed on {runtime:?}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// Keeps tasks in a list, to be polled to order.
#[derive(Clone, Default)]
struct ByHand(Arc<Mutex<Vec<Boxed>>>);

impl Spawn for ByHand {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        self.0.lock().unwrap().push(Box::pin(task));
    }
}

impl SpawnBlocking for ByHand {
    /// In a task that is polled when its turn has come.
    fn spawn_blocking<F: FnOnce() + Send + 'static>(&self, task: F) {
        self.spawn(async { task() });
    }
}

impl ByHand {
    /// Polls the task of this number once.
    fn poll(&self, number: usize) -> Poll<()> {
        let mut task = std::mem::replace(&mut self.0.lock().unwrap()[number], Box::pin(pending()));
        let poll = poll_once(&mut task);
        self.0.lock().unwrap()[number] = task;
        poll
    }

    fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

fn drop_flag() -> (DropFlag, Arc<AtomicUsize>) {
    let dropped = Arc::new(AtomicUsize::new(0));
    (DropFlag(Arc::clone(&dropped)), dropped)
}

fn ids(tasks: &[TaskInfo]) -> Vec<String> {
    tasks.iter().map(|task| task.id().to_string()).collect()
}

fn cancelled<T: std::fmt::Debug>(outcome: Result<T, TaskError<Cancelled>>) -> Cancelled {
    match outcome.unwrap_err() {
        TaskError::Failed(cancelled) => cancelled,
        TaskError::Panicked(panic) => panic!("{panic}"),
    }
}

#[test]
fn a_handle_gives_what_its_task_returns_of_whatever_type() {
    on_every_runtime(|on| async move {
        let tasks = Owner::on(on);
        let number = tasks.spawn(async { 7 });
        let unit = tasks.spawn(async {});
        let error = tasks.spawn(async { Err::<(), _>("an error is a value") });
        let blocking = tasks.spawn_blocking(|| String::from("from a thread"));
        assert_eq!(number.await.unwrap(), 7);
        unit.await.unwrap();
        assert_eq!(error.await.unwrap(), Err("an error is a value"));
        assert_eq!(blocking.await.unwrap(), "from a thread");
        tasks.wait().await;
        assert!(tasks.is_empty() && !tasks.is_closed());
    });
}

#[test]
fn the_result_of_a_task_whose_handle_has_gone_is_dropped_with_the_task() {
    on_every_runtime(|on| async move {
        let tasks = Owner::on(on);
        let (flag, dropped) = drop_flag();
        drop(tasks.spawn(async move { flag }));
        tasks.wait().await;
        assert!(dropped.load(Ordering::SeqCst) == 1);
    });
}

#[test]
fn a_handle_that_is_dropped_late_drops_the_result() {
    let on = ByHand::default();
    let tasks = TaskOwner::on(on.clone());
    let (flag, dropped) = drop_flag();
    let task = tasks.spawn(async move { flag });
    assert!(on.poll(0).is_ready());
    assert!(task.is_finished() && tasks.is_empty());
    assert!(dropped.load(Ordering::SeqCst) == 0);
    drop(task);
    assert!(dropped.load(Ordering::SeqCst) == 1);
}

#[test]
fn a_task_runs_under_its_own_token_below_that_of_its_owner_with_its_name_in_errors() {
    on_every_runtime(|on| async move {
        let parent = CancellationToken::new();
        let tasks = TaskOwner::builder_on(on).below(&parent).build();
        let inside = tasks.named("worker").spawn(async { current() });
        let own = inside.token().clone();
        let ambient = inside.await.unwrap();
        assert_eq!(ambient, own);
        assert_eq!(ambient.reason().unwrap().kind(), ReasonKind::ScopeEnded);

        let (begun, has_begun) = oneshot::channel();
        let stopped = tasks.named("worker").spawn(async move {
            begun.send(()).unwrap();
            guard(pending::<()>()).await
        });
        has_begun.await.unwrap();
        parent.cancel_with("enough");
        let cancelled = stopped.await.unwrap().unwrap_err();
        assert_eq!(cancelled.reason().to_string(), "enough");
        assert!(!cancelled.belongs_to(tasks.token()) && cancelled.belongs_to(&parent));
        assert!(tasks.is_closed());
    });
}

#[test]
fn the_path_in_an_error_goes_from_the_scope_of_the_owner_to_the_task() {
    on_every_runtime(|on| async move {
        let tasks = Scope::new()
            .name("server")
            .run_sync(|| {
                let outlives = CancellationToken::new();
                Ok::<_, Cancelled>(TaskOwner::builder_on(on).below(&outlives).build())
            })
            .unwrap();
        tasks.token().cancel();
        for (name, expected) in [(None, "server"), (Some("worker"), "server > worker")] {
            let task = match name {
                Some(name) => tasks.named(name).spawn(async {}),
                None => tasks.spawn(async {}),
            };
            assert_eq!(cancelled(task.await).scope_path().to_string(), expected);
        }
    });
}

#[test]
fn an_owner_inherits_the_scope_that_it_is_made_in() {
    on_every_runtime(|on| async move {
        let (tasks, stopped) = Scope::new()
            .run(async move {
                let tasks = Owner::on(on);
                let stopped = tasks.spawn(pending::<()>());
                Ok::<_, Cancelled>((tasks, stopped))
            })
            .await
            .unwrap();
        // As for anything else that a scope has started.
        assert_eq!(cancelled(stopped.await).kind(), ReasonKind::ScopeEnded);
        assert!(tasks.is_closed());
    });
}

#[test]
fn below_a_token_of_its_own_an_owner_outlives_the_scope_that_it_is_made_in() {
    on_every_runtime(|on| async move {
        let server = CancellationToken::new();
        let of_owner = server.clone();
        let (tasks, task) = Scope::new()
            .timeout(LONG)
            .run(async move {
                let tasks = TaskOwner::builder_on(on).below(&of_owner).build();
                let task = tasks.spawn(pending::<()>());
                Ok::<_, Cancelled>((tasks, task))
            })
            .await
            .unwrap();
        assert!(!tasks.is_closed() && !task.token().is_cancelled());
        server.cancel();
        assert_eq!(cancelled(task.await).kind(), ReasonKind::Manual);
    });
}

#[test]
fn groups_and_owners_can_be_below_a_given_token() {
    let server = CancellationToken::new();
    let (group, owner) = Scope::new()
        .run_sync(|| {
            let group = cancelable::tokio::TaskGroup::<(), Cancelled>::below(&server);
            Ok::<_, Cancelled>((group, cancelable::tokio::TaskOwner::below(&server)))
        })
        .unwrap();
    let threads = cancelable::thread::TaskGroup::<(), Cancelled>::below(&server);
    let tokens = [group.token(), owner.token(), threads.token()];
    assert!(tokens.iter().all(|token| !token.is_cancelled()));
    server.cancel();
    assert!(tokens.iter().all(|token| token.is_cancelled()));
}

#[test]
fn dropping_an_owner_cancels_its_tasks_as_dropped() {
    on_every_runtime(|on| async move {
        let tasks = Owner::on(on);
        let task = tasks.spawn(pending::<()>());
        let token = tasks.token().clone();
        drop(tasks);
        assert_eq!(cancelled(task.await).kind(), ReasonKind::Dropped);
        assert_eq!(token.reason().unwrap().kind(), ReasonKind::Dropped);
    });
}

#[test]
fn dropping_an_owner_without_tasks_ends_its_token() {
    let tasks = cancelable::tokio::TaskOwner::new();
    let token = tasks.token().clone();
    drop(tasks);
    assert_eq!(token.reason().unwrap().kind(), ReasonKind::ScopeEnded);
}

#[test]
fn what_is_spawned_after_the_close_does_not_start_and_says_why() {
    on_every_runtime(|on| async move {
        let tasks = Owner::on(on);
        let (gate, opened) = oneshot::channel::<()>();
        let before = tasks.spawn(opened);
        tasks.close();
        let closed_at = line!() - 1;
        let (flag, dropped) = drop_flag();
        let after = tasks.spawn(async move { drop(flag) });
        let spawned_at = line!() - 1;
        assert!(dropped.load(Ordering::SeqCst) == 1 && after.is_finished());
        let blocking = tasks.spawn_blocking(|| unreachable!("it does not start"));
        let why: [Cancelled; 2] = [cancelled(after.await), cancelled::<()>(blocking.await)];
        assert_eq!(why[0].kind(), ReasonKind::Shutdown);
        assert_eq!(why[0].reason().location().line(), closed_at);
        assert_eq!(why[0].observed_at().line(), spawned_at);
        assert_eq!(why[1].kind(), ReasonKind::Shutdown);
        assert_eq!(tasks.len(), 1);
        assert!(tasks.reserve().await.is_err() && tasks.try_reserve().is_none());
        gate.send(()).unwrap();
        before.await.unwrap().unwrap();
    });
}

#[test]
fn ids_are_in_order_of_spawning_and_tasks_can_be_listed() {
    let tasks = TaskOwner::on(ByHand::default());
    let first = tasks.spawn(pending::<()>());
    drop(tasks.named("second").spawn(pending::<()>()));
    let line = line!() - 1;
    assert_eq!(ids(&tasks.tasks()), ["#0", "#1"]);
    assert!(first.id() < tasks.tasks()[1].id());
    assert_eq!(tasks.tasks()[1].name(), Some("second"));
    assert_eq!(tasks.tasks()[1].spawned_at().line(), line);
    assert_eq!(
        tasks.tasks()[1].to_string(),
        format!("#1 \"second\", spawned at {}:{line}:32", Location::caller().file())
    );
}

// Panics.

#[test]
fn a_panic_cancels_the_other_tasks_and_closes_the_owner() {
    on_every_runtime(|on| async move {
        let tasks = Owner::on(on);
        let other = tasks.spawn(pending::<()>());
        let (gate, opened) = oneshot::channel::<()>();
        let broken = tasks.spawn(async move {
            opened.await.unwrap();
            panic!("out of cheese")
        });
        let line = line!() - 4;
        gate.send(()).unwrap();
        let why = cancelled(other.await);
        assert_eq!(why.kind(), ReasonKind::Superseded);
        assert_eq!(
            why.reason().to_string(),
            "superseded: a task of the same owner panicked: out of cheese"
        );
        assert_eq!(why.reason().location().line(), line);
        assert!(tasks.is_closed());
        let TaskError::Panicked(panic) = broken.await.unwrap_err() else {
            unreachable!()
        };
        assert_eq!(panic.message(), Some("out of cheese"));
        let report = tasks.cancel_and_wait(LONG).await;
        // It has been given to the handle.
        assert_eq!((report.panicked(), report.panics().len()), (1, 0));
        assert!(!report.is_clean());
    });
}

#[test]
fn an_isolated_panic_concerns_nobody_else_and_is_reported() {
    on_every_runtime(|on| async move {
        let told = Arc::new(Mutex::new(Vec::new()));
        let to_tell = Arc::clone(&told);
        let tasks = TaskOwner::builder_on(on)
            .isolate_panics(move |panic| to_tell.lock().unwrap().push(panic.to_string()))
            .build();
        let (gate, opened) = oneshot::channel::<()>();
        let other = tasks.spawn(opened);
        for how in 0..3 {
            let broken = tasks.spawn(async { panic!("out of cheese") });
            match how {
                0 => drop(broken),
                // Dropped when the panic is there.
                1 => {
                    while !broken.is_finished() {
                        futures::join!(tests::ready_after(1, ()), async {});
                    }
                }
                _ => assert!(matches!(broken.await, Err(TaskError::Panicked(_)))),
            }
        }
        assert!(!tasks.is_closed());
        gate.send(()).unwrap();
        other.await.unwrap().unwrap();
        let report = tasks.drain(LONG, LONG).await;
        assert_eq!((report.panicked(), report.panics().len()), (3, 2));
        assert!(report.to_string().ends_with(", 3 panicked"), "{report}");
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 3);
        assert!(told.iter().all(|text| text.ends_with("panicked: out of cheese")));
        let panic = catch_unwind(AssertUnwindSafe(|| report.resume_panic())).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"out of cheese"));
    });
}

#[test]
fn of_many_panics_that_nobody_takes_the_first_are_kept_and_all_are_counted() {
    let on = ByHand::default();
    let tasks = TaskOwner::builder_on(on.clone()).isolate_panics(|_| ()).build();
    for n in 0..100 {
        drop(tasks.spawn(async move { std::panic::panic_any(n) }));
        assert!(on.poll(n).is_ready());
    }
    let report = poll_once(&mut Box::pin(tasks.cancel_and_wait(LONG)));
    let Poll::Ready(report) = report else { unreachable!() };
    assert_eq!((report.panicked(), report.panics().len()), (100, 16));
    let Poll::Ready(again) = poll_once(&mut Box::pin(tasks.cancel_and_wait(LONG))) else {
        unreachable!()
    };
    assert_eq!((again.panicked(), again.panics().len()), (100, 0));
}

#[test]
fn a_report_of_panics_that_panics_itself_does_not_lose_the_task() {
    let on = ByHand::default();
    let tasks = TaskOwner::builder_on(on.clone())
        .isolate_panics(|_| panic!("in the report"))
        .build();
    let task = tasks.spawn(async { panic!("in the task") });
    assert!(catch_unwind(AssertUnwindSafe(|| on.poll(0))).is_err());
    assert!(tasks.is_empty() && task.is_finished());
    let Poll::Ready(Err(TaskError::<Cancelled>::Panicked(panic))) = poll_once(&mut Box::pin(task)) else {
        unreachable!()
    };
    assert_eq!(panic.message(), Some("in the task"));
}

#[test]
fn whoever_hears_that_a_task_has_ended_finds_nothing_of_it_left() {
    // A future that returns, and one that panics, with what is in it and not in its last poll.
    for panics in [false, true] {
        let (flag, dropped) = drop_flag();
        let on = ByHand::default();
        let tasks = TaskOwner::builder_on(on.clone()).isolate_panics(|_| ()).build();
        let mut task = Box::pin(tasks.spawn(future::poll_fn(move |_| {
            let _flag = &flag;
            assert!(!panics, "on purpose");
            Poll::Ready(())
        })));
        let looks = Looks::at(dropped);
        let waker = Waker::from(Arc::clone(&looks));
        let mut idle = Box::pin(tasks.wait());
        assert!(poll_with(&mut task, &waker).is_pending() && poll_with(&mut idle, &waker).is_pending());
        assert!(on.poll(0).is_ready());
        assert_eq!(looks.seen(), 2, "{panics}");
        let Poll::Ready(outcome) = poll_once(&mut task) else {
            unreachable!()
        };
        assert_eq!(outcome.is_err(), panics);
    }
}

// Stopping one task.

#[test]
fn one_task_is_cancelled_and_unwinds() {
    on_every_runtime(|on| async move {
        let tasks = Owner::on(on);
        let (begun, has_begun) = oneshot::channel();
        let task = tasks.spawn(async move {
            begun.send(()).unwrap();
            let result = guard(pending::<()>()).await;
            shield(ready(())).await;
            result.map_err(|cancelled| cancelled.reason().to_string())
        });
        let other = tasks.spawn(pending::<()>());
        has_begun.await.unwrap();
        assert!(task.abort_handle().cancel_with("not this one"));
        assert!(!task.cancel_with("too late"));
        assert_eq!(task.await.unwrap(), Err("not this one".to_owned()));
        assert!(!other.token().is_cancelled() && !other.is_finished());
        other.cancel();
        assert_eq!(cancelled(other.await).kind(), ReasonKind::Manual);
    });
}

#[test]
fn one_task_is_aborted_in_its_shield_and_its_future_is_gone_when_that_is_told() {
    on_every_runtime(|on| async move {
        // Before the cancel, and when it is cancelled already.
        for is_cancelled in [false, true] {
            let tasks = Owner::on(on);
            let (flag, dropped) = drop_flag();
            let (begun, has_begun) = oneshot::channel();
            let task = tasks.spawn(async move {
                let _flag = flag;
                begun.send(()).unwrap();
                shield(pending::<()>()).await;
            });
            has_begun.await.unwrap();
            if is_cancelled {
                task.cancel();
            }
            task.abort();
            let error = cancelled(task.await);
            assert!(error.was_forced(), "{error}");
            assert!(dropped.load(Ordering::SeqCst) == 1);
            assert!(tasks.is_empty());
        }
    });
}

#[test]
fn an_abort_gives_the_task_one_more_poll() {
    let on = ByHand::default();
    let tasks = TaskOwner::on(on.clone());
    let task = tasks.spawn(shield(async {
        let mut polls = 0;
        std::future::poll_fn(|_| {
            polls += 1;
            if polls == 3 {
                Poll::Ready("in time")
            } else {
                Poll::Pending
            }
        })
        .await
    }));
    assert!(on.poll(0).is_pending());
    task.cancel();
    assert!(on.poll(0).is_pending());
    task.abort();
    assert!(on.poll(0).is_ready());
    let Poll::Ready(value) = poll_once(&mut Box::pin(task)) else {
        unreachable!()
    };
    assert_eq!(value.unwrap(), "in time");
}

#[test]
fn an_abort_wakes_a_task_that_is_cancelled_and_sleeps() {
    let tasks = TaskOwner::on(ByHand::default());
    let task = tasks.spawn(shield(pending::<()>()));
    let mut running = tasks_future(&tasks);
    let (wakes, waker) = CountingWaker::new();
    assert!(poll_with(&mut running, &waker).is_pending());
    task.cancel();
    assert_eq!(wakes.count(), 1);
    assert!(poll_with(&mut running, &waker).is_pending());
    let before = wakes.count();
    task.abort();
    assert_eq!(wakes.count(), before + 1);
    assert!(poll_with(&mut running, &waker).is_ready());
}

/// The first task that was spawned by hand.
fn tasks_future(tasks: &TaskOwner<ByHand>) -> Boxed {
    tasks.runtime().0.lock().unwrap().remove(0)
}

#[test]
fn an_abort_of_what_has_not_started_never_starts_it() {
    let on = ByHand::default();
    let tasks = TaskOwner::on(on.clone());
    let task = tasks.spawn(async { unreachable!("it does not start") });
    task.abort();
    assert!(on.poll(0).is_ready());
    let Poll::Ready(outcome) = poll_once(&mut Box::pin(task)) else {
        unreachable!()
    };
    assert_eq!(cancelled(outcome).kind(), ReasonKind::Manual);
}

#[test]
fn a_handle_that_only_stops_a_task_stops_it_and_knows_whether_it_has_ended() {
    let on = ByHand::default();
    let tasks = TaskOwner::on(on.clone());
    let stops: [fn(&AbortHandle); 2] = [AbortHandle::cancel, AbortHandle::abort];
    for (number, stop) in stops.into_iter().enumerate() {
        let task = tasks.spawn(shield(async {
            current().cancelled().await;
        }));
        let handle = task.abort_handle();
        assert!(on.poll(number).is_pending());
        assert!(!handle.is_finished() && !tasks.is_empty());
        stop(&handle);
        assert_eq!(task.token().reason().unwrap().kind(), ReasonKind::Manual);
        // A shield is not aware of it; an abort does not ask.
        assert_eq!(on.poll(number).is_ready(), number == 1);
        assert_eq!((handle.is_finished(), tasks.is_empty()), (number == 1, number == 1));
        handle.abort();
        assert!(number == 1 || on.poll(number).is_ready());
        assert!(handle.is_finished() && tasks.is_empty());
    }
    let task = tasks.spawn(pending::<()>());
    assert!(task.cancel_with("the first") && !task.cancel_with("the second"));
    assert!(!task.abort_handle().cancel_with("the third"));
}

// Shutting down.

#[test]
fn cancel_and_wait_says_who_ended_and_who_was_dropped() {
    on_every_runtime(|on| async move {
        let tasks = Owner::on(on);
        let (begun, has_begun): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel()).unzip();
        for (n, begun) in begun.into_iter().enumerate() {
            drop(tasks.named(["unaware", "tidy", "stuck"][n]).spawn(async move {
                begun.send(()).unwrap();
                match n {
                    0 => pending().await,
                    1 => {
                        assert!(guard(pending::<()>()).await.is_err());
                        shield(ready(())).await;
                    }
                    _ => shield(pending()).await,
                }
            }));
        }
        future::join_all(has_begun).await;
        let report = tasks.cancel_and_wait(Duration::from_millis(1)).await;
        let names =
            |tasks: &[TaskInfo]| -> Vec<String> { tasks.iter().map(|task| task.name().unwrap().to_owned()).collect() };
        let (ended, forced) = (names(report.ended()), names(report.forced()));
        // On a busy machine a millisecond may be over before the others are polled.
        assert!(forced.contains(&"stuck".to_owned()), "{report}");
        let mut all = [ended, forced].concat();
        all.sort();
        assert_eq!(all, ["stuck", "tidy", "unaware"]);
        assert!(report.running().is_empty() && tasks.is_empty() && tasks.is_closed());
    });
}

#[test]
fn a_drain_lets_run_then_cancels_then_drops_by_the_clock() {
    let runtime = paused_tokio();
    runtime.block_on(async {
        let tasks = cancelable::tokio::TaskOwner::new();
        let start = tokio::time::Instant::now();
        let after = move || start.elapsed().as_secs();
        let log = Arc::new(Mutex::new(Vec::new()));
        let add = |what: &'static str| {
            let log = Arc::clone(&log);
            move || log.lock().unwrap().push((what, after()))
        };
        let (quick, tidy, stuck) = (add("quick"), add("tidy"), add("stuck"));
        drop(tasks.spawn(async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            quick();
        }));
        drop(tasks.spawn(async move {
            assert!(sleep(LONG).await.is_err());
            shield(tokio::time::sleep(Duration::from_secs(2))).await;
            tidy();
        }));
        drop(tasks.spawn(async move {
            let _at_end = scopeguard(stuck);
            shield(pending::<()>()).await;
        }));
        let report = tasks.drain(Duration::from_secs(10), Duration::from_secs(5)).await;
        assert_eq!(after(), 15);
        assert_eq!(*log.lock().unwrap(), [("quick", 3), ("tidy", 12), ("stuck", 15)]);
        assert_eq!(ids(report.ended()), ["#0", "#1"]);
        assert_eq!(ids(report.forced()), ["#2"]);
        let text = report.to_string();
        assert!(
            text.starts_with("2 tasks ended, 1 was dropped after the grace (#2, spawned at "),
            "{text}"
        );
    });
}

#[test]
fn a_report_names_the_first_few() {
    paused_tokio().block_on(async {
        let tasks = cancelable::tokio::TaskOwner::new();
        for _ in 0..20 {
            drop(tasks.spawn(shield(pending::<()>())));
        }
        tokio::task::yield_now().await;
        let report = tasks.cancel_and_wait(Duration::from_secs(1)).await;
        let text = report.to_string();
        assert!(
            text.starts_with("0 tasks ended, 20 were dropped after the grace (#"),
            "{text}"
        );
        assert!(text.ends_with("; and 12 more)"), "{text}");
        assert_eq!((text.matches("spawned at").count(), report.forced().len()), (8, 20));
    });
}

struct AtEnd<F: FnMut()>(F);

fn scopeguard<F: FnMut()>(f: F) -> AtEnd<F> {
    AtEnd(f)
}

impl<F: FnMut()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_drain_is_over_as_soon_as_there_is_no_task() {
    paused_tokio().block_on(async {
        let tasks = cancelable::tokio::TaskOwner::new();
        let start = tokio::time::Instant::now();
        assert!(tasks.drain(LONG, LONG).await.is_clean());
        drop(tasks);
        let tasks = cancelable::tokio::TaskOwner::new();
        drop(tasks.spawn(tokio::time::sleep(Duration::from_secs(3))));
        let report = tasks.drain(Duration::MAX, Duration::MAX).await;
        assert_eq!((start.elapsed().as_secs(), report.ended().len()), (3, 1));
        assert!(report.is_clean());
        assert!(!tasks.token().is_cancelled());
    });
}

#[test]
fn a_cancel_during_a_drain_ends_the_time_to_run() {
    paused_tokio().block_on(async {
        let tasks = cancelable::tokio::TaskOwner::new();
        drop(tasks.spawn(shield(pending::<()>())));
        let start = tokio::time::Instant::now();
        let token = tasks.token().clone();
        let (report, ()) = tokio::join!(tasks.drain(LONG, Duration::from_secs(5)), async move {
            tokio::time::sleep(Duration::from_secs(2)).await;
            token.cancel_with("at once");
        });
        assert_eq!((start.elapsed().as_secs(), report.forced().len()), (7, 1));
        assert_eq!(tasks.token().reason().unwrap().to_string(), "at once");
    });
}

#[test]
fn what_blocks_and_does_not_look_is_what_still_runs() {
    on_every_runtime(|on| async move {
        let tasks = Owner::on(on);
        let (release, released) = mpsc::channel::<()>();
        let (begun, has_begun) = oneshot::channel();
        let deaf = tasks.named("deaf").spawn_blocking(move || {
            begun.send(()).unwrap();
            released.recv().unwrap();
            check().is_err()
        });
        let listens = tasks.spawn_blocking(|| -> Result<(), Cancelled> {
            loop {
                check()?;
            }
        });
        has_begun.await.unwrap();
        let report = tasks.cancel_and_wait(Duration::from_millis(1)).await;
        assert_eq!(report.running()[0].name(), Some("deaf"));
        assert!(report.to_string().contains("(#0 \"deaf\", spawned at "), "{report}");
        release.send(()).unwrap();
        assert!(deaf.await.unwrap());
        // If it had not begun by then, it never did.
        if let Ok(outcome) = listens.await {
            assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Shutdown);
        }
        tasks.wait().await;
        let report: DrainReport = tasks.cancel_and_wait(LONG).await;
        assert_eq!((report.ended().len(), report.running().len()), (2, 0));
    });
}

#[test]
fn a_drain_that_is_dropped_can_be_called_again() {
    paused_tokio().block_on(async {
        let tasks = cancelable::tokio::TaskOwner::new();
        drop(tasks.spawn(shield(pending::<()>())));
        let first = tokio::time::timeout(Duration::from_secs(1), tasks.drain(LONG, LONG)).await;
        assert!(first.is_err() && tasks.is_closed() && !tasks.token().is_cancelled());
        let report = tasks.cancel_and_wait(Duration::from_secs(1)).await;
        assert_eq!(report.forced().len(), 1);
    });
}

#[test]
fn l12_who_waits_for_tasks_is_not_dropped_while_they_are_getting_out() {
    let token = CancellationToken::new();
    let on = ByHand::default();
    let tasks = TaskOwner::builder_on(on.clone()).below(&token).build();
    let (gate, opened) = oneshot::channel::<()>();
    drop(tasks.spawn(async {
        let result = guard(pending::<()>()).await;
        let _ = shield(opened).await;
        result
    }));
    // Under a waker that is not the scope's.
    let mut waiting: FuturesUnordered<Boxed> = FuturesUnordered::new();
    waiting.push(Box::pin(pending()));
    waiting.push(Box::pin(tasks.wait()));
    let body = async move { waiting.next().await };
    let mut task = Box::pin(token.scope(guard(body)));
    assert!(poll_once(&mut task).is_pending());
    assert!(on.poll(0).is_pending());
    token.cancel();
    assert!(poll_once(&mut task).is_pending());
    assert!(on.poll(0).is_pending(), "in its shield");
    assert!(poll_once(&mut task).is_pending());
    gate.send(()).unwrap();
    assert!(on.poll(0).is_ready());
    assert!(matches!(poll_once(&mut task), Poll::Ready(Ok(Some(())))));
}

#[test]
fn l12_who_waits_for_tasks_of_another_scope_holds_nobody_up() {
    let token = CancellationToken::new();
    let on = ByHand::default();
    let tasks = TaskOwner::builder_on(on.clone())
        .below(&CancellationToken::new())
        .build();
    drop(tasks.spawn(pending::<()>()));
    let mut task = Box::pin(token.scope(guard(tasks.wait())));
    assert!(poll_once(&mut task).is_pending());
    token.cancel();
    assert!(matches!(poll_once(&mut task), Poll::Ready(Err(_))));
}

#[test]
fn waits_that_are_dropped_leave_nothing_and_others_are_woken() {
    let on = ByHand::default();
    let tasks = TaskOwner::on(on.clone());
    drop(tasks.spawn(async {}));
    let ((wakes, waker), (of_other, other)) = (CountingWaker::new(), CountingWaker::new());
    let mut waits = true;
    let (mut first, mut second) = (Box::pin(tasks.wait()), Box::pin(tasks.wait()));
    waits &= poll_with(&mut first, &waker).is_pending();
    waits &= poll_with(&mut second, &other).is_pending();
    assert!(waits);
    drop(first);
    assert!(on.poll(0).is_ready());
    assert_eq!((wakes.count(), of_other.count()), (0, 1));
    assert!(poll_with(&mut second, &other).is_ready());
}

#[test]
fn several_waits_that_are_polled_again_are_each_woken() {
    let on = ByHand::default();
    let tasks = TaskOwner::on(on.clone());
    drop(tasks.spawn(async {}));
    let mut waits: Vec<_> = (0..3).map(|_| (Box::pin(tasks.wait()), CountingWaker::new())).collect();
    for _ in 0..2 {
        for (wait, (_, waker)) in &mut waits {
            assert!(poll_with(wait, waker).is_pending());
        }
    }
    assert!(on.poll(0).is_ready());
    for (_, (wakes, _)) in &waits {
        assert_eq!(wakes.count(), 1);
    }
}

#[test]
fn a_runtime_that_goes_away_ends_its_tasks_as_dropped() {
    let on = ByHand::default();
    let tasks = TaskOwner::on(on.clone());
    let (flag, dropped) = drop_flag();
    let task = tasks.spawn(async move {
        let _flag = flag;
        pending::<()>().await;
    });
    assert!(on.poll(0).is_pending());
    on.0.lock().unwrap().clear();
    assert!(tasks.is_empty() && dropped.load(Ordering::SeqCst) == 1);
    let Poll::Ready(outcome) = poll_once(&mut Box::pin(task)) else {
        unreachable!()
    };
    let error = cancelled(outcome);
    assert_eq!(error.kind(), ReasonKind::Dropped);
}

#[test]
fn tokio_s_runtime_that_is_shut_down_ends_its_tasks_as_dropped() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let tasks = {
        let _context = runtime.enter();
        let tasks = cancelable::tokio::TaskOwner::builder().limit(1).build();
        for _ in 0..3 {
            drop(tasks.spawn(pending::<()>()));
            drop(tasks.spawn_blocking(|| ()));
        }
        tasks
    };
    assert_eq!(tasks.len(), 6);
    runtime.shutdown_background();
    futures::executor::block_on(tasks.wait());
}

// A limit.

fn limited(on: &ByHand, limit: usize) -> TaskOwner<ByHand> {
    let builder: TaskOwnerBuilder<ByHand> = TaskOwner::builder_on(on.clone());
    builder.limit(limit).build()
}

#[test]
fn no_more_tasks_run_at_once_than_the_limit() {
    on_every_runtime(|on| async move {
        let tasks = TaskOwner::builder_on(on).limit(3).build();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let begin = move || {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            assert!(now <= 3);
            let running = Arc::clone(&running);
            scopeguard(move || {
                running.fetch_sub(1, Ordering::SeqCst);
            })
        };
        let mut handles = Vec::new();
        for n in 0..30 {
            let begin = begin.clone();
            handles.push(if n % 3 == 0 {
                tasks.spawn_blocking(move || drop(begin()))
            } else {
                tasks.spawn(async move {
                    let _running = begin();
                    tests::ready_after(2, ()).await;
                })
            });
        }
        for handle in handles {
            handle.await.unwrap();
        }
    });
}

#[test]
fn tasks_wait_for_their_turn_in_order() {
    let on = ByHand::default();
    let tasks = limited(&on, 1);
    let (gates, opened): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel::<()>()).unzip();
    let handles: Vec<_> = opened.into_iter().map(|opened| tasks.spawn(opened)).collect();
    let mut gates = gates.into_iter();
    for n in 0..3 {
        assert!(on.poll(n).is_pending());
    }
    assert_eq!(tasks.len(), 3);
    // The second has been given its seat; the third has not.
    gates.next().unwrap().send(()).unwrap();
    assert!(on.poll(0).is_ready());
    gates.for_each(|gate| gate.send(()).unwrap());
    assert!(on.poll(2).is_pending());
    assert!(on.poll(1).is_ready());
    assert!(on.poll(2).is_ready());
    assert!(handles.iter().all(|handle| handle.is_finished()));
}

#[test]
fn a_task_that_is_cancelled_while_it_waits_for_its_turn_never_starts_and_passes_it_on() {
    let on = ByHand::default();
    let tasks = limited(&on, 1);
    let first = tasks.spawn(pending::<()>());
    let second = tasks.spawn(async { unreachable!("it does not start") });
    let third = tasks.spawn(async { 3 });
    for n in 0..3 {
        assert!(on.poll(n).is_pending());
    }
    // Its turn comes at the same moment as its cancel.
    first.cancel();
    second.cancel();
    assert!(on.poll(0).is_ready());
    assert!(on.poll(1).is_ready());
    assert!(on.poll(2).is_ready());
    assert!(third.is_finished());
}

#[test]
fn blocking_work_takes_no_thread_before_its_turn() {
    let on = ByHand::default();
    let tasks = limited(&on, 1);
    let (gate, opened) = oneshot::channel::<()>();
    drop(tasks.spawn(opened));
    assert!(on.poll(0).is_pending());
    let waiting: Vec<_> = (1..3).map(|n| tasks.spawn_blocking(move || n)).collect();
    // What waits is a task; the closure is not where it would block a thread.
    assert_eq!((on.len(), tasks.len()), (3, 3));
    for n in 1..3 {
        assert!(on.poll(n).is_pending());
    }
    gate.send(()).unwrap();
    assert!(on.poll(0).is_ready());
    assert!(on.poll(1).is_ready() && on.poll(2).is_pending());
    assert_eq!(on.len(), 4);
    assert!(!waiting[0].is_finished());
    assert!(on.poll(3).is_ready());
    assert!(waiting[0].is_finished());
    assert!(on.poll(2).is_ready() && on.poll(4).is_ready());
    assert!(tasks.is_empty());
}

#[test]
fn blocking_work_that_waits_for_its_turn_is_dropped_by_a_shutdown() {
    paused_tokio().block_on(async {
        let tasks = cancelable::tokio::TaskOwner::builder().limit(1).build();
        let (flag, dropped) = drop_flag();
        drop(tasks.spawn(shield(tokio::time::sleep(Duration::from_secs(2)))));
        tokio::task::yield_now().await;
        let waits = tasks.spawn_blocking(move || drop(flag));
        let start = tokio::time::Instant::now();
        let report = tasks.cancel_and_wait(Duration::from_secs(5)).await;
        assert_eq!((start.elapsed().as_secs(), report.ended().len()), (2, 2));
        assert!(dropped.load(Ordering::SeqCst) == 1);
        assert_eq!(cancelled(waits.await).kind(), ReasonKind::Shutdown);
    });
}

#[test]
fn a_place_that_was_not_asked_for_gives_no_room_back_when_it_is_dropped() {
    on_every_runtime(|on| async move {
        let tasks = TaskOwner::builder_on(on).limit(1).build();
        drop(tasks.named("never spawned"));
        let _place = tasks.try_reserve().unwrap();
        assert!(tasks.try_reserve().is_none(), "room for two");
    });
}

#[test]
fn a_task_that_ends_in_its_first_poll_ends_its_token() {
    paused_tokio().block_on(async {
        let tasks = cancelable::tokio::TaskOwner::new();
        let task = tasks.spawn(async {});
        let straggler = task.token().child_token();
        task.await.unwrap();
        assert_eq!(straggler.reason().unwrap().kind(), ReasonKind::ScopeEnded);
    });
}

#[test]
fn a_place_is_waited_for_and_goes_to_the_next_when_it_is_dropped() {
    on_every_runtime(|on| async move {
        let tasks = TaskOwner::builder_on(on).limit(1).build();
        let place = tasks.reserve().await.unwrap();
        let (wakes, waker) = CountingWaker::new();
        let mut next = Box::pin(tasks.reserve());
        assert!(poll_with(&mut next, &waker).is_pending());
        drop(place);
        assert_eq!(wakes.count(), 1);
        let Poll::Ready(Ok(place)) = poll_with(&mut next, &waker) else {
            unreachable!()
        };
        drop(next);
        assert_eq!(place.name("named").spawn(async { 7 }).await.unwrap(), 7);
        // A wait that is given up takes nothing along.
        let place = tasks.reserve().await.unwrap();
        let mut lost = Box::pin(tasks.reserve());
        assert!(poll_with(&mut lost, &waker).is_pending());
        drop(place);
        drop(lost);
        assert!(tasks.try_reserve().is_some());
    });
}

#[test]
fn a_wait_for_a_place_that_is_given_up_makes_no_place_for_those_before_it() {
    let tasks = limited(&ByHand::default(), 1);
    let held = tasks.try_reserve().unwrap();
    let mut first = Box::pin(tasks.reserve());
    let mut second = Box::pin(tasks.reserve());
    assert!(poll_once(&mut first).is_pending() && poll_once(&mut second).is_pending());
    drop(second);
    assert!(poll_once(&mut first).is_pending());
    drop(held);
    assert!(matches!(poll_once(&mut first), Poll::Ready(Ok(_))));
}

#[test]
fn who_waits_for_a_place_hears_of_the_close() {
    let tasks = limited(&ByHand::default(), 1);
    let _place = tasks.reserve();
    let held = tasks.try_reserve().unwrap();
    let (wakes, waker) = CountingWaker::new();
    let mut next = Box::pin(tasks.reserve());
    let line = line!() - 1;
    assert!(poll_with(&mut next, &waker).is_pending());
    tasks.close();
    assert_eq!(wakes.count(), 1);
    let Poll::Ready(Err(error)) = poll_with(&mut next, &waker) else {
        unreachable!()
    };
    assert_eq!((error.kind(), error.observed_at().line()), (ReasonKind::Shutdown, line));
    drop(held);
}

/// The seat that the first one gives back at the cancel is handed on from one to the next.
#[test]
fn what_waits_for_its_turn_when_it_is_cancelled_does_not_begin() {
    let runtime = paused_tokio();
    runtime.block_on(async {
        let tasks = cancelable::tokio::TaskOwner::builder().limit(1).build();
        let begun = Arc::new(AtomicUsize::new(0));
        let handles: Vec<_> = (0..5)
            .map(|_| {
                let begun = Arc::clone(&begun);
                tasks.spawn(async move {
                    begun.fetch_add(1, Ordering::Relaxed);
                    sleep(LONG).await
                })
            })
            .collect();
        let report = tasks.drain(Duration::from_secs(1), Duration::from_secs(1)).await;
        assert_eq!((begun.load(Ordering::Relaxed), report.ended().len()), (1, 5));
        for handle in handles.into_iter().skip(1) {
            assert!(matches!(handle.await, Err(TaskError::Failed(_))));
        }
    });
}

#[test]
#[should_panic(expected = "an owner of tasks needs room for one task at least")]
fn a_limit_of_none_at_all_is_refused() {
    drop(TaskOwner::builder_on(ByHand::default()).limit(0).build());
}

#[test]
fn accepting_ends_what_feeds_the_owner() {
    on_every_runtime(|on| async move {
        let tasks = Arc::new(Owner::on(on));
        let accepting = tasks.accepting().clone();
        let of_loop = Arc::clone(&tasks);
        let (begun, has_begun) = oneshot::channel();
        let accept = tasks.spawn(async move {
            begun.send(()).unwrap();
            pending::<()>().with_cancellation(of_loop.accepting()).await
        });
        has_begun.await.unwrap();
        let report = tasks.drain(LONG, LONG).await;
        assert!(report.is_clean() && !tasks.token().is_cancelled() && accepting.is_cancelled());
        assert_eq!(accept.await.unwrap().unwrap_err().kind(), ReasonKind::Shutdown);
    });
}

// Tasks that stay on their thread.

/// A task with something that is not `Send`, which a cancel finds in a shield; and one of a group.
async fn stays<S: SpawnLocal + Clone>(on: S) {
    let tasks = TaskOwner::on(on.clone());
    let count = Rc::new(Cell::new(0));
    let of_task = Rc::clone(&count);
    let task = tasks.spawn_local(async move {
        of_task.set(1);
        let result = guard(pending::<()>()).await;
        shield(ready(())).await;
        of_task.set(2);
        (result.is_err(), of_task)
    });
    let (begun, has_begun) = oneshot::channel();
    let stuck = tasks.spawn_local(async move {
        begun.send(()).unwrap();
        shield(pending::<Rc<()>>()).await
    });
    has_begun.await.unwrap();
    assert_eq!(count.get(), 1);
    tasks.token().cancel();
    let (was_cancelled, of_task) = task.await.unwrap();
    assert!(was_cancelled && of_task.get() == 2);
    let report = tasks.cancel_and_wait(Duration::from_millis(1)).await;
    assert_eq!(ids(report.forced()), ["#1"]);
    assert!(report.ended().is_empty() && report.running().is_empty());
    assert!(cancelled(stuck.await).was_forced());

    let mut group = TaskGroup::<Rc<u32>, Cancelled, S>::on(on);
    for n in 0..3 {
        group.spawn_local(async move { Ok(Rc::new(n)) });
    }
    let values: Vec<u32> = group.join().await.unwrap().iter().map(|value| **value).collect();
    assert_eq!(values, [0, 1, 2]);
}

#[test]
fn local_tasks_on_tokio_s_local_set() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, stays(cancelable::tokio::Tokio));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(tokio::task::LocalSet::new().run_until(stays(cancelable::tokio::Tokio)));
}

#[test]
fn local_tasks_on_smol_s_local_executor() {
    #[derive(Clone)]
    struct Local(Rc<smol::LocalExecutor<'static>>);

    impl SpawnLocal for Local {
        fn spawn_local<F: Future<Output = ()> + 'static>(&self, task: F) {
            self.0.spawn(task).detach();
        }
    }

    let executor = Rc::new(smol::LocalExecutor::new());
    smol::block_on(executor.run(stays(Local(Rc::clone(&executor)))));
}

#[test]
fn local_tasks_on_futures_local_pool() {
    #[derive(Clone)]
    struct Local(LocalSpawner);

    impl SpawnLocal for Local {
        fn spawn_local<F: Future<Output = ()> + 'static>(&self, task: F) {
            self.0.spawn_local(task).expect("the pool is there");
        }
    }

    let mut pool = LocalPool::new();
    let on = Local(pool.spawner());
    pool.run_until(stays(on));
}

#[cfg(target_os = "linux")]
#[test]
fn local_tasks_on_a_runtime_with_a_thread_per_core() {
    #[derive(Clone)]
    struct Compio;

    impl SpawnLocal for Compio {
        fn spawn_local<F: Future<Output = ()> + 'static>(&self, task: F) {
            compio::runtime::spawn(task).detach();
        }
    }

    // One owner, and a thread for each core.
    let cores: Vec<_> = (0..2)
        .map(|_| std::thread::spawn(|| compio::runtime::Runtime::new().unwrap().block_on(stays(Compio))))
        .collect();
    for core in cores {
        core.join().unwrap();
    }
}

// Many.

#[test]
fn tasks_that_end_while_the_owner_is_drained_are_each_in_one_list() {
    on_every_runtime(|on| async move {
        let tasks = Owner::on(on);
        for n in 0..200 {
            drop(tasks.spawn(async move {
                match n % 4 {
                    0 => {}
                    1 => drop(guard(pending::<()>()).await),
                    2 => pending().await,
                    _ => shield(pending()).await,
                }
            }));
        }
        let live = ids(&tasks.tasks());
        let report = tasks.cancel_and_wait(Duration::from_millis(1)).await;
        // Some runtimes here have a thread for each task, which is not punctual.
        let left = report.running().len();
        tasks.wait().await;
        assert!(left <= live.len() && tasks.is_empty());
        let report = tasks.cancel_and_wait(LONG).await;
        assert!(report.running().is_empty(), "{report}");
        let mut all = [ids(report.ended()), ids(report.forced())].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), report.ended().len() + report.forced().len());
        // Some may have ended between the two looks.
        assert!(all.len() <= live.len() && all.iter().all(|id| live.contains(id)));
    });
}

#[test]
fn a_reason_of_the_owner_s_token_reaches_blocking_work_at_once() {
    on_every_runtime(|on| async move {
        let tasks = Owner::on(on);
        let (begun, has_begun) = oneshot::channel();
        let flag = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&flag);
        let task = tasks.spawn_blocking(move || -> Result<(), Cancelled> {
            begins.store(true, Ordering::SeqCst);
            begun.send(()).unwrap();
            loop {
                check()?;
            }
        });
        has_begun.await.unwrap();
        assert!(flag.load(Ordering::SeqCst));
        tasks.token().cancel_with(CancelReason::shutdown());
        assert_eq!(task.await.unwrap().unwrap_err().kind(), ReasonKind::Shutdown);
    });
}
