//! Task groups: on every runtime, and of threads.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

use cancelable::{
    CancellationToken, Cancelled, ReasonKind, Scope, Spawn, SpawnBlocking, Spawner, TaskError, TaskGroup, check,
    current, guard, remaining, shield, sleep, thread,
};
use futures::channel::oneshot;
use futures::executor::ThreadPool;
use futures::future;
use futures::stream::{FuturesUnordered, Stream as _, StreamExt as _, TryStreamExt as _};
use tests::wakers::Looks;
use tests::{CountingWaker, DropFlag, Runtime, poll_once, poll_with};

type Group<T, E = Cancelled> = TaskGroup<T, E, On>;
type Outcome = Result<(), Cancelled>;
type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// An hour: a deadline that no test is to see.
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

impl ByHand {
    /// Polls the task of this number once. In it, others may be polled.
    fn poll(&self, number: usize) -> Poll<()> {
        let mut task = std::mem::replace(&mut self.0.lock().unwrap()[number], Box::pin(pending()));
        let poll = poll_once(&mut task);
        self.0.lock().unwrap()[number] = task;
        poll
    }
}

/// Waits for its cancel, then in a shield for a gate to be opened, and sets a flag on its way out.
async fn unwinds_slowly(gate: oneshot::Receiver<()>, out: Arc<AtomicBool>) -> Outcome {
    let result = guard(pending::<()>()).await;
    let _ = shield(gate).await;
    out.store(true, Ordering::SeqCst);
    result
}

#[derive(Clone, Copy, Debug)]
enum How {
    Join,
    Next,
    Stream,
}

/// A group of one task below `token`, waited for among other futures: under a waker that is not the scope's.
async fn wait_among_others(how: How, on: ByHand, token: CancellationToken, gate: oneshot::Receiver<()>) {
    let mut group: TaskGroup<(), Cancelled, ByHand> = token.sync_scope(|| TaskGroup::on(on));
    group.spawn(unwinds_slowly(gate, Arc::default()));
    let mut waiting: FuturesUnordered<Pin<Box<dyn Future<Output = ()>>>> = FuturesUnordered::new();
    waiting.push(Box::pin(pending()));
    waiting.push(Box::pin(async move {
        assert!(match how {
            How::Join => group.join().await.is_err(),
            How::Next => group.next().await.unwrap().is_err(),
            How::Stream => group.map(|result| result.is_err()).all(future::ready).await,
        });
    }));
    waiting.next().await;
}

#[test]
fn l12_who_waits_for_tasks_under_a_foreign_waker_is_not_dropped_while_they_are_getting_out() {
    for how in [How::Join, How::Next, How::Stream] {
        let token = CancellationToken::new();
        let on = ByHand::default();
        let (gate, opened) = oneshot::channel();
        let body = wait_among_others(how, on.clone(), token.clone(), opened);
        let mut task: Pin<Box<dyn Future<Output = Outcome>>> = Box::pin(token.scope(guard(body)));
        assert!(poll_once(&mut task).is_pending());
        assert!(on.poll(0).is_pending());
        token.cancel();
        assert!(poll_once(&mut task).is_pending(), "{how:?}");
        assert!(on.poll(0).is_pending(), "in its shield");
        assert!(poll_once(&mut task).is_pending());
        gate.send(()).unwrap();
        assert!(on.poll(0).is_ready());
        assert!(matches!(poll_once(&mut task), Poll::Ready(Ok(()))));
    }
}

#[test]
fn l12_who_waits_for_tasks_of_another_scope_holds_nobody_up() {
    for how in [How::Join, How::Next, How::Stream] {
        let token = CancellationToken::new();
        let on = ByHand::default();
        let (_gate, opened) = oneshot::channel();
        let body = wait_among_others(how, on.clone(), CancellationToken::new(), opened);
        let mut task: Pin<Box<dyn Future<Output = Outcome>>> = Box::pin(token.scope(guard(body)));
        assert!(poll_once(&mut task).is_pending());
        assert!(on.poll(0).is_pending());
        token.cancel();
        assert!((0..3).any(|_| poll_once(&mut task).is_ready()), "{how:?}");
    }
}

#[test]
fn join_gives_the_values_in_order_of_spawning() {
    on_every_runtime(|on| async move {
        let mut group = Group::<usize>::on(on);
        let (mut senders, receivers): (Vec<_>, Vec<_>) = (0..5).map(|_| oneshot::channel::<()>()).unzip();
        for (i, gate) in receivers.into_iter().enumerate() {
            group.spawn(async move {
                gate.await.expect("the gate is opened");
                Ok(i)
            });
        }
        assert_eq!(group.len(), 5);
        senders.drain(..).rev().for_each(|gate| gate.send(()).unwrap());
        assert_eq!(group.join().await.unwrap(), [0, 1, 2, 3, 4]);
        assert!(group.is_empty());
    });
}

#[test]
fn next_gives_the_results_in_order_of_completion() {
    on_every_runtime(|on| async move {
        let mut group = Group::<usize>::on(on);
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| oneshot::channel::<()>()).unzip();
        for (i, gate) in receivers.into_iter().enumerate() {
            group.spawn(async move {
                gate.await.expect("the gate is opened");
                Ok(i)
            });
        }
        let mut senders: Vec<_> = senders.into_iter().map(Some).collect();
        for i in [1, 2, 0] {
            senders[i].take().unwrap().send(()).unwrap();
            assert_eq!(group.next().await.unwrap().unwrap(), i);
        }
        assert!(group.next().await.is_none());
    });
}

#[test]
fn an_empty_group_has_no_next_and_joins_at_once() {
    on_every_runtime(|on| async move {
        let mut group = Group::<()>::on(on);
        assert!(group.next().await.is_none());
        assert!(group.join().await.unwrap().is_empty());
        let value: Result<u32, Cancelled> = Group::<()>::run_on(on, async |_| Ok(7)).await;
        assert_eq!(value.unwrap(), 7);
    });
}

#[derive(Debug)]
enum AppError {
    Broken(&'static str),
    Cancelled(Cancelled),
}

impl From<Cancelled> for AppError {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

#[test]
fn the_first_error_cancels_the_others_and_names_the_line_that_spawned_it() {
    on_every_runtime(|on| async move {
        let mut group = Group::<(), AppError>::on(on);
        for _ in 0..3 {
            group.spawn(async { Ok(guard(pending::<()>()).await?) });
        }
        group.spawn(async { Err(AppError::Broken("disk full")) });
        let line = line!() - 1;
        let first = group.next().await.unwrap().unwrap_err();
        assert!(matches!(first, TaskError::Failed(AppError::Broken("disk full"))));
        assert!(group.token().is_cancelled());
        for _ in 0..3 {
            let Some(Err(TaskError::Failed(AppError::Cancelled(cancelled)))) = group.next().await else {
                panic!("not cancelled")
            };
            assert_eq!(cancelled.kind(), ReasonKind::Superseded);
            assert_eq!(cancelled.reason().location().line(), line);
            assert_eq!(cancelled.reason().location().file(), file!());
            assert!(cancelled.belongs_to(group.token()));
        }
        assert!(group.next().await.is_none());
    });
}

#[test]
fn join_reports_the_first_error_when_all_others_have_ended() {
    on_every_runtime(|on| async move {
        let ended = Arc::new(AtomicUsize::new(0));
        let mut group = Group::<(), AppError>::on(on);
        for _ in 0..3 {
            let flag = DropFlag(Arc::clone(&ended));
            group.spawn(async move {
                let _flag = flag;
                Ok(guard(pending::<()>()).await?)
            });
        }
        group.spawn(async { Err(AppError::Broken("disk full")) });
        let error = group.join().await.unwrap_err();
        assert!(matches!(error, TaskError::Failed(AppError::Broken("disk full"))));
        assert_eq!(ended.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn l24_a_failure_is_listed_before_those_that_it_cancels() {
    let on = ByHand::default();
    let mut group: TaskGroup<(), AppError, ByHand> = TaskGroup::on(on.clone());
    group.spawn(async { Ok(guard(pending::<()>()).await?) });
    group.spawn(async { Err(AppError::Broken("disk full")) });
    assert!(on.poll(0).is_pending());
    let others = on.clone();
    // Who is cancelled ends there and then.
    let ends = group.token().on_cancel(move |_| assert!(others.poll(0).is_ready()));
    assert!(on.poll(1).is_ready());
    assert!(!ends.unregister(), "it has run");
    let Poll::Ready(joined) = poll_once(&mut Box::pin(group.join())) else {
        panic!("both have ended")
    };
    assert!(
        matches!(joined, Err(TaskError::Failed(AppError::Broken("disk full")))),
        "{joined:?}"
    );
}

#[test]
fn a_failure_that_is_a_value_does_not_concern_the_others() {
    on_every_runtime(|on| async move {
        let mut group = Group::<Result<u32, &str>>::on(on);
        group.spawn(async { Ok(Err("no matter")) });
        group.spawn(async { Ok(Ok(check().map(|()| 2)?)) });
        assert_eq!(group.join().await.unwrap(), [Err("no matter"), Ok(2)]);
    });
}

#[test]
fn a_panic_is_reported_with_its_payload_and_cancels_the_others() {
    on_every_runtime(|on| async move {
        let mut group = Group::<()>::on(on);
        group.spawn(guard_pending());
        let what = String::from("cheese");
        group.spawn(async move { panic!("out of {what}") });
        let line = line!() - 1;
        let Some(Err(TaskError::Panicked(panic))) = group.next().await else {
            panic!("not a panic")
        };
        assert_eq!(panic.message(), Some("out of cheese"));
        assert_eq!(panic.spawned_at().line(), line);
        assert_eq!(
            panic.to_string(),
            format!("the task spawned at {} panicked: out of cheese", panic.spawned_at())
        );
        let payload = catch_unwind(AssertUnwindSafe(|| panic.resume())).unwrap_err();
        assert_eq!(payload.downcast_ref::<String>().unwrap(), "out of cheese");

        let error = group.next().await.unwrap().unwrap_err().or_resume();
        assert_eq!(error.kind(), ReasonKind::Superseded);
        assert_eq!(error.reason().message(), Some("a task of the group panicked"));
    });
}

async fn guard_pending() -> Outcome {
    guard(pending::<()>()).await
}

#[test]
fn a_panic_on_the_way_out_is_not_lost_behind_the_error_that_came_first() {
    on_every_runtime(|on| async move {
        let mut group = Group::<(), AppError>::on(on);
        let (started, start) = oneshot::channel();
        group.spawn(async move {
            started.send(()).unwrap();
            let _ = guard(pending::<()>()).await;
            panic!("cleanup is broken")
        });
        start.await.unwrap();
        group.spawn(async { Err(AppError::Broken("disk full")) });
        match group.join().await.unwrap_err() {
            TaskError::Panicked(panic) => assert_eq!(panic.message(), Some("cleanup is broken")),
            error => panic!("{error:?}"),
        }
    });
}

#[test]
fn tasks_inherit_the_scope_its_name_its_deadline_and_its_cancel() {
    on_every_runtime(|on| async move {
        let (tell, told) = oneshot::channel();
        let outcome: Outcome = Scope::new()
            .name("outer")
            .timeout(LONG)
            .run_with(|token| async move {
                let mut group = Group::<()>::on(on);
                group.spawn(async move {
                    assert!(remaining().is_some_and(|left| left <= LONG));
                    tell.send(()).unwrap();
                    guard_pending().await
                });
                told.await.unwrap();
                std::thread::spawn(move || token.cancel_with("stop it"));
                group.join().await.map(drop).map_err(TaskError::or_resume)
            })
            .await;
        let error = outcome.unwrap_err();
        assert_eq!(error.reason().to_string(), "stop it (scope \"outer\")");
        assert_eq!(error.scope_path().to_string(), "outer");
    });
}

#[test]
fn a_task_is_a_scope_whose_stragglers_stop_when_it_ends() {
    on_every_runtime(|on| async move {
        let mut group = Group::<CancellationToken>::on(on);
        group.spawn(async { Ok(current()) });
        let token = group.next().await.unwrap().unwrap();
        assert_ne!(&token, group.token());
        assert_eq!(token.reason().unwrap().kind(), ReasonKind::ScopeEnded);
        assert!(!group.token().is_cancelled());
    });
}

#[test]
fn a_task_that_does_not_notice_is_dropped_by_the_cancel() {
    on_every_runtime(|on| async move {
        let dropped = Arc::new(AtomicUsize::new(0));
        let flag = DropFlag(Arc::clone(&dropped));
        let mut group = Group::<()>::on(on);
        group.spawn(async move {
            let _flag = flag;
            pending().await
        });
        let spawned_at = line!() - 4;
        group.token().cancel();
        let error = group.next().await.unwrap().unwrap_err().or_resume();
        assert_eq!(error.kind(), ReasonKind::Manual);
        assert_eq!(error.observed_at().line(), spawned_at);
        assert_eq!(dropped.load(Ordering::SeqCst), 1, "dropped before its end was reported");
    });
}

#[test]
fn dropping_a_group_cancels_its_tasks_as_dropped() {
    on_every_runtime(|on| async move {
        let (tell, told) = oneshot::channel();
        let group = Group::<()>::on(on);
        let made_at = line!() - 1;
        group.spawn(async move {
            let result = guard_pending().await;
            tell.send(result.clone().unwrap_err()).unwrap();
            result
        });
        drop(group);
        // It may not have started; then nobody tells.
        if let Ok(error) = told.await {
            assert_eq!(error.kind(), ReasonKind::Dropped);
            assert_eq!(error.reason().location().line(), made_at);
        }
    });
}

#[test]
fn a_group_that_is_done_with_ends_its_token_when_it_is_dropped() {
    on_every_runtime(|on| async move {
        let mut group = Group::<()>::on(on);
        group.spawn(async { Ok(()) });
        group.join().await.unwrap();
        let token = group.token().clone();
        drop(group);
        assert_eq!(token.reason().unwrap().kind(), ReasonKind::ScopeEnded);
    });
}

#[test]
fn l25_a_task_has_room_for_its_future_once() {
    /// Says how large the task is.
    struct Measure(Arc<AtomicUsize>);

    impl Spawn for Measure {
        fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
            self.0.store(size_of_val(&task), Ordering::Relaxed);
        }
    }

    const BUFFER: usize = 4096;
    let size = Arc::default();
    let group = TaskGroup::<u8, Cancelled, _>::on(Measure(Arc::clone(&size)));
    group.spawn(async {
        let buffer = [1_u8; BUFFER];
        std::future::ready(()).await;
        Ok(buffer.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)))
    });
    let size = size.load(Ordering::Relaxed);
    assert!((BUFFER..BUFFER + 512).contains(&size), "{size}");
}

#[test]
fn what_a_spawner_starts_after_the_group_has_gone_does_not_start() {
    on_every_runtime(|on| async move {
        let group = Group::<()>::on(on);
        let spawner = group.spawner();
        drop(group);
        let (tell, told) = oneshot::channel::<()>();
        spawner.spawn(async move {
            let _tell = tell;
            unreachable!("the body must not start")
        });
        assert!(told.await.is_err());
    });
}

#[test]
fn what_a_spawner_starts_after_a_group_that_was_done_does_not_start_either() {
    // Nobody but the spawner holds the group's token by then.
    let on = ByHand::default();
    let mut group = TaskGroup::<(), Cancelled, ByHand>::on(on.clone());
    let spawner = group.spawner();
    assert!(poll_once(&mut Box::pin(group.next())).is_ready());
    drop(group);
    let has_started = Arc::new(AtomicBool::new(false));
    let started = Arc::clone(&has_started);
    spawner.spawn(async move {
        started.store(true, Ordering::SeqCst);
        Ok(())
    });
    assert!(on.poll(0).is_ready());
    assert!(!has_started.load(Ordering::SeqCst));
}

#[test]
fn tasks_spawn_their_siblings() {
    fn tree(depth: u32, group: &Spawner<u32, Cancelled, On>) {
        let inner = group.clone();
        group.spawn(async move {
            if depth > 0 {
                tree(depth - 1, &inner);
                tree(depth - 1, &inner);
            }
            Ok(1)
        });
    }
    on_every_runtime(|on| async move {
        let nodes: Result<u32, Cancelled> = Group::<u32>::run_on(on, async |group| {
            tree(5, &group.spawner());
            Ok(group.join().await.map_err(TaskError::or_resume)?.iter().sum())
        })
        .await;
        assert_eq!(nodes.unwrap(), 63);
    });
}

#[test]
fn a_blocking_task_has_check_points_and_a_place_in_the_order() {
    on_every_runtime(|on| async move {
        let mut group = Group::<u32>::on(on);
        group.spawn_blocking(|| check().map(|()| 1));
        group.spawn(async { Ok(2) });
        assert_eq!(group.join().await.unwrap(), [1, 2]);
        group.spawn_blocking(|| {
            loop {
                check()?;
            }
        });
        group.token().cancel_with("enough");
        let error = group.join().await.unwrap_err().or_resume();
        assert_eq!(error.reason().to_string(), "enough");

        let mut group = Group::<u32>::on(on);
        group.spawn_blocking(|| panic!("blocked"));
        assert!(group.join().await.unwrap_err().is_panic());
    });
}

#[test]
fn a_runtime_that_goes_away_fails_its_tasks_as_dropped() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut group = runtime.block_on(async {
        let group = cancelable::tokio::TaskGroup::<(), Cancelled>::new();
        group.spawn(pending());
        tokio::task::yield_now().await;
        group
    });
    drop(runtime);
    let error = futures::executor::block_on(group.join()).unwrap_err().or_resume();
    assert_eq!(error.kind(), ReasonKind::Dropped);
    assert_eq!(error.observed_at().file(), file!());
}

#[test]
fn a_group_says_how_many_results_are_left() {
    let on = ByHand::default();
    let mut group: TaskGroup<(), Cancelled, ByHand> = TaskGroup::on(on.clone());
    assert!(group.is_empty());
    for number in 0..2 {
        group.spawn(async { Ok(()) });
        assert!(!group.is_empty());
        assert_eq!(group.size_hint(), (number + 1, None), "tasks may spawn more");
    }
    assert!(on.poll(0).is_ready());
    assert_eq!((group.len(), group.size_hint().0), (2, 2), "one is there to be taken");
    assert!(matches!(
        poll_once(&mut Box::pin(group.next())),
        Poll::Ready(Some(Ok(())))
    ));
    assert_eq!(group.size_hint(), (1, None));
}

#[test]
fn dropping_next_or_join_loses_nothing() {
    let on = ByHand::default();
    let mut group = TaskGroup::<u32, Cancelled, _>::on(on.clone());
    group.spawn(async { Ok(1) });
    group.spawn(async { Ok(2) });
    assert!(poll_once(&mut Box::pin(group.next())).is_pending());
    assert!(poll_once(&mut Box::pin(group.join())).is_pending());
    assert!(on.poll(1).is_ready());
    assert!(poll_once(&mut Box::pin(group.join())).is_pending());
    assert!(on.poll(0).is_ready());
    assert!(matches!(poll_once(&mut Box::pin(group.join())), Poll::Ready(Ok(values)) if values == [1, 2]));
}

#[test]
fn the_owner_is_woken_by_each_end_when_it_waits_for_the_next() {
    let on = ByHand::default();
    let mut group = TaskGroup::<u32, Cancelled, _>::on(on.clone());
    group.spawn(async { Ok(1) });
    group.spawn(async { Ok(2) });
    let (counter, waker) = CountingWaker::new();
    for (task, woken) in [(1, 1), (0, 2)] {
        let mut next = Box::pin(group.next());
        assert!(poll_with(&mut next, &waker).is_pending());
        assert!(on.poll(task).is_ready());
        assert_eq!(counter.count(), woken);
        assert!(poll_with(&mut next, &waker).is_ready());
    }
}

// run ---------------------------------------------------------------------------------------------------------------

#[test]
fn whoever_hears_that_a_task_has_ended_finds_nothing_of_it_left() {
    // A future that returns, and one that panics, with what is in it and not in its last poll.
    for panics in [false, true] {
        let dropped = Arc::new(AtomicUsize::new(0));
        let flag = DropFlag(Arc::clone(&dropped));
        let on = ByHand::default();
        let mut group: TaskGroup<(), Cancelled, ByHand> = TaskGroup::on(on.clone());
        group.spawn(future::poll_fn(move |_| {
            let _flag = &flag;
            assert!(!panics, "on purpose");
            Poll::Ready(Ok(()))
        }));
        let looks = Looks::at(dropped);
        let mut next = Box::pin(group.next());
        assert!(poll_with(&mut next, &Waker::from(Arc::clone(&looks))).is_pending());
        assert!(on.poll(0).is_ready());
        assert_eq!(looks.seen(), 1, "{panics}");
    }
}

#[test]
fn the_owner_is_woken_though_a_callback_of_the_cancel_panics() {
    let on = ByHand::default();
    let mut group: TaskGroup<(), AppError, ByHand> = TaskGroup::on(on.clone());
    group.token().on_cancel(|_| panic!("on purpose")).detach();
    group.spawn(async { Err(AppError::Broken("disk full")) });
    let (count, waker) = CountingWaker::new();
    let mut next = Box::pin(group.next());
    assert!(poll_with(&mut next, &waker).is_pending());
    catch_unwind(AssertUnwindSafe(|| on.poll(0))).unwrap_err();
    assert_eq!(count.count(), 1);
    let next = poll_with(&mut next, &waker);
    assert!(matches!(
        next,
        Poll::Ready(Some(Err(TaskError::Failed(AppError::Broken(_)))))
    ));
}

#[test]
fn run_waits_for_tasks_that_the_body_did_not_wait_for() {
    on_every_runtime(|on| async move {
        let done = Arc::new(AtomicUsize::new(0));
        let value: Result<u32, Cancelled> = Group::<()>::run_on(on, async |group| {
            for _ in 0..5 {
                let done = Arc::clone(&done);
                group.spawn(async move {
                    sleep(Duration::from_millis(1)).await?;
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                });
            }
            Ok(7)
        })
        .await;
        assert_eq!(value.unwrap(), 7);
        assert_eq!(done.load(Ordering::SeqCst), 5);
    });
}

/// A result whose destructor spawns another task, so many times.
struct Spawns {
    left: usize,
    group: Spawner<Self, Cancelled, On>,
    ended: Arc<AtomicUsize>,
}

impl Drop for Spawns {
    fn drop(&mut self) {
        if self.left > 0 {
            let next = Self {
                left: self.left - 1,
                group: self.group.clone(),
                ended: Arc::clone(&self.ended),
            };
            self.group.spawn(async move {
                sleep(Duration::from_millis(1)).await?;
                next.ended.fetch_add(1, Ordering::SeqCst);
                Ok(next)
            });
        }
    }
}

#[test]
fn run_waits_for_the_tasks_that_destructors_of_results_spawn() {
    on_every_runtime(|on| async move {
        let ended = Arc::new(AtomicUsize::new(0));
        let result: Result<(), Cancelled> = Group::run_on(on, async |group| {
            let first = Spawns {
                left: 3,
                group: group.spawner(),
                ended: Arc::clone(&ended),
            };
            group.spawn(async move { Ok(first) });
            Ok(())
        })
        .await;
        result.unwrap();
        assert_eq!(ended.load(Ordering::SeqCst), 3);
    });
}

/// A result whose destructor panics.
struct PanicsWhenDropped(&'static str);

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("{}", self.0);
    }
}

#[test]
fn a_destructor_of_a_result_that_panics_leaves_no_task_of_run_behind() {
    let on = ByHand::default();
    let (gate, opened) = oneshot::channel();
    let out = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&out);
    let body = async move |group: &mut TaskGroup<PanicsWhenDropped, Cancelled, ByHand>| {
        group.spawn(async { Ok(PanicsWhenDropped("the first")) });
        group.spawn(async move {
            opened.await.unwrap();
            flag.store(true, Ordering::SeqCst);
            Ok(PanicsWhenDropped("the second"))
        });
        futures::pending!();
        Ok(())
    };
    let mut run: Pin<Box<dyn Future<Output = Outcome>>> = Box::pin(TaskGroup::run_on(on.clone(), body));
    assert!(poll_once(&mut run).is_pending());
    assert!(on.poll(0).is_ready());
    assert!(on.poll(1).is_pending());
    // The body is over, and the first result is dropped.
    assert!(poll_once(&mut run).is_pending());
    gate.send(()).unwrap();
    assert!(on.poll(1).is_ready());
    let payload = catch_unwind(AssertUnwindSafe(|| poll_once(&mut run))).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"the first".to_owned()));
    assert!(out.load(Ordering::SeqCst));
}

#[test]
fn a_task_of_run_is_not_over_before_its_failure_has_been_told() {
    let on = ByHand::default();
    let (tell, told) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let body = async move |group: &mut TaskGroup<(), AppError, ByHand>| {
        let slow = move |_: &_| {
            tell.send(()).unwrap();
            gate.recv().unwrap();
        };
        group.token().on_cancel(slow).detach();
        group.spawn(async { Err(AppError::Broken("disk full")) });
        Ok(())
    };
    let mut run: Pin<Box<dyn Future<Output = Result<(), AppError>>>> = Box::pin(TaskGroup::run_on(on.clone(), body));
    assert!(poll_once(&mut run).is_pending());
    let task = std::thread::spawn(move || assert!(on.poll(0).is_ready()));
    told.recv().unwrap();
    assert!(poll_once(&mut run).is_pending(), "a callback of the task's is running");
    open.send(()).unwrap();
    task.join().unwrap();
    assert!(matches!(
        poll_once(&mut run),
        Poll::Ready(Err(AppError::Broken("disk full")))
    ));
}

#[test]
fn in_run_a_task_that_fails_cancels_the_body_and_is_what_run_fails_with() {
    on_every_runtime(|on| async move {
        let result: Result<(), AppError> = Group::<(), AppError>::run_on(on, async |group| {
            group.spawn(async { Err(AppError::Broken("disk full")) });
            let error = guard(pending::<()>()).await.unwrap_err();
            assert_eq!(error.kind(), ReasonKind::Superseded);
            assert_eq!(error.reason().message(), Some("a task of the group failed"));
            Err(AppError::Broken("because of it"))
        })
        .await;
        assert!(matches!(result, Err(AppError::Broken("disk full"))));
    });
}

#[test]
fn in_run_a_body_that_does_not_notice_is_dropped_and_the_task_s_error_returned() {
    on_every_runtime(|on| async move {
        let result: Result<(), AppError> = Group::<(), AppError>::run_on(on, async |group| {
            group.spawn(async { Err(AppError::Broken("disk full")) });
            pending().await
        })
        .await;
        assert!(matches!(result, Err(AppError::Broken("disk full"))));
    });
}

#[test]
fn in_run_a_body_that_fails_cancels_the_tasks_and_waits_for_them() {
    on_every_runtime(|on| async move {
        let out = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&out);
        let (started, start) = oneshot::channel();
        let (open, gate) = oneshot::channel();
        let result: Result<(), AppError> = Group::<(), AppError>::run_on(on, async |group| {
            group.spawn(async move {
                started.send(()).unwrap();
                Ok(unwinds_slowly(gate, flag).await?)
            });
            start.await.unwrap();
            std::thread::spawn(move || open.send(()));
            Err(AppError::Broken("the body"))
        })
        .await;
        assert!(matches!(result, Err(AppError::Broken("the body"))));
        assert!(out.load(Ordering::SeqCst));
    });
}

#[test]
fn in_run_a_failure_that_the_body_has_taken_is_the_body_s_business() {
    on_every_runtime(|on| async move {
        let result: Result<u32, AppError> = Group::<(), AppError>::run_on(on, async |group| {
            group.spawn(async { Err(AppError::Broken("disk full")) });
            assert!(group.next().await.unwrap().is_err());
            Ok(7)
        })
        .await;
        assert_eq!(result.unwrap(), 7);
    });
}

/// Ways for a body to take results and pass failures on.
#[derive(Clone, Copy, Debug)]
enum Taking {
    Next,
    Join,
    TryCollect,
    TryNext,
    Nothing,
}

impl Taking {
    const ALL: [Self; 5] = [Self::Next, Self::Join, Self::TryCollect, Self::TryNext, Self::Nothing];

    async fn all<S: Unpin>(self, group: &mut TaskGroup<(), AppError, S>) -> Result<(), AppError> {
        match self {
            Self::Next => {
                while let Some(result) = group.next().await {
                    result.map_err(TaskError::or_resume)?;
                }
            }
            Self::Join => drop(group.join().await.map_err(TaskError::or_resume)?),
            Self::TryCollect => group.try_collect().await.map_err(TaskError::or_resume)?,
            Self::TryNext => while group.try_next().await.map_err(TaskError::or_resume)?.is_some() {},
            Self::Nothing => pending().await,
        }
        Ok(())
    }
}

#[test]
fn l24_the_error_that_started_it_comes_out_of_run_though_all_others_have_failed_because_of_it_by_then() {
    for taking in Taking::ALL {
        let on = ByHand::default();
        let body = async move |group: &mut TaskGroup<(), AppError, ByHand>| {
            group.spawn(async { Ok(guard(pending::<()>()).await?) });
            group.spawn(async { Err(AppError::Broken("disk full")) });
            group.spawn(async { Ok(guard(pending::<()>()).await?) });
            taking.all(group).await
        };
        let mut run: Pin<Box<dyn Future<Output = Result<(), AppError>>>> =
            Box::pin(TaskGroup::run_on(on.clone(), body));
        assert!(poll_once(&mut run).is_pending());
        assert!(on.poll(0).is_pending());
        for task in [1, 2, 0] {
            assert!(on.poll(task).is_ready());
        }
        let Poll::Ready(result) = poll_once(&mut run) else {
            panic!("{taking:?}: everybody has ended")
        };
        assert!(
            matches!(result, Err(AppError::Broken("disk full"))),
            "{taking:?}: {result:?}"
        );
    }
}

#[test]
fn l24_the_error_that_started_it_comes_out_of_run_on_many_threads() {
    for round in 0..200 {
        let taking = Taking::ALL[round % Taking::ALL.len()];
        Runtime::TokioMultiThread.run(async move {
            let result: Result<(), AppError> = cancelable::tokio::TaskGroup::run(async |group| {
                for i in 0..20 {
                    group.spawn(async move {
                        if i == 7 {
                            return Err(AppError::Broken("disk full"));
                        }
                        Ok(guard(pending::<()>()).await?)
                    });
                }
                taking.all(group).await
            })
            .await;
            assert!(
                matches!(result, Err(AppError::Broken("disk full"))),
                "{taking:?}: {result:?}"
            );
        });
    }
}

#[test]
fn l24_what_fails_because_of_a_failure_that_the_body_has_dealt_with_is_dealt_with_too() {
    on_every_runtime(|on| async move {
        let result: Result<u32, AppError> = Group::<(), AppError>::run_on(on, async |group| {
            for _ in 0..3 {
                group.spawn(async { Ok(guard(pending::<()>()).await?) });
            }
            group.spawn(async { Err(AppError::Broken("disk full")) });
            assert!(group.next().await.unwrap().is_err());
            Ok(7)
        })
        .await;
        assert_eq!(result.unwrap(), 7);
    });
}

#[test]
fn in_run_a_panic_is_not_lost_though_the_body_has_taken_the_failure_before_it() {
    let run = || {
        thread::TaskGroup::<(), AppError>::run(|group| {
            // A task that has not begun before the cancel does not begin.
            let (begun, has_begun) = std::sync::mpsc::channel();
            group.spawn(move || {
                begun.send(()).unwrap();
                current().wait();
                panic!("cleanup is broken")
            });
            group.spawn(move || {
                has_begun.recv().unwrap();
                Err(AppError::Broken("disk full"))
            });
            group.next().unwrap().map_err(TaskError::or_resume)
        })
    };
    let payload = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"cleanup is broken"));
}

#[test]
fn l24_threads_pass_on_the_error_that_started_it() {
    for _ in 0..50 {
        let result = thread::TaskGroup::<(), AppError>::run(|group| {
            for i in 0..4 {
                group.spawn(move || {
                    if i == 2 {
                        return Err(AppError::Broken("disk full"));
                    }
                    current().wait();
                    Ok(check()?)
                });
            }
            while let Some(result) = group.next() {
                result.map_err(TaskError::or_resume)?;
            }
            Ok(())
        });
        assert!(matches!(result, Err(AppError::Broken("disk full"))), "{result:?}");
    }
}

#[test]
fn who_is_superseded_in_a_group_is_told_of_the_task_that_failed_and_of_its_error() {
    on_every_runtime(|on| async move {
        let mut group = Group::<(), std::io::Error>::on(on);
        group.spawn(async { Ok(guard(pending::<()>()).await?) });
        group.spawn(async { Err(std::io::Error::other("disk full")) });
        let line = line!() - 1;
        assert!(group.next().await.unwrap().is_err());
        let cancelled = group.token().check().unwrap_err();
        assert_eq!(
            cancelled.reason().to_string(),
            "superseded: a task of the group failed: disk full"
        );
        let source = std::error::Error::source(&cancelled).unwrap();
        assert_eq!(source.to_string(), "disk full");
        let text = cancelled.to_string();
        assert!(text.contains(&format!("group.rs:{line}")), "{text}");
    });
}

#[test]
fn who_is_superseded_by_a_cancelled_task_can_ask_why_that_was_cancelled() {
    let mut group = thread::TaskGroup::<(), Cancelled>::new();
    group.spawn(|| Scope::new().timeout(Duration::ZERO).run_sync(check));
    let error = group.next().unwrap().unwrap_err().or_resume();
    assert!(error.is_timeout());
    let reason = group.token().reason().unwrap();
    let source = reason.source().unwrap().downcast_ref::<Cancelled>().unwrap();
    assert!(source.is_timeout());
    assert_eq!(source.observed_at(), error.observed_at());
}

#[test]
fn in_run_a_panic_of_the_body_goes_on_when_the_tasks_are_out() {
    on_every_runtime(|on| async move {
        let out = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&out);
        let (started, start) = oneshot::channel();
        let (open, gate) = oneshot::channel();
        let run = Group::<()>::run_on(on, async |group| {
            group.spawn(async move {
                started.send(()).unwrap();
                unwinds_slowly(gate, flag).await
            });
            start.await.unwrap();
            std::thread::spawn(move || open.send(()));
            panic!("the body");
        });
        let run: Pin<Box<dyn Future<Output = Outcome> + Send>> = Box::pin(run);
        let payload = futures::FutureExt::catch_unwind(AssertUnwindSafe(run))
            .await
            .unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"the body"));
        assert!(out.load(Ordering::SeqCst));
    });
}

#[test]
fn in_run_a_panic_of_a_task_goes_on_when_the_others_are_out() {
    on_every_runtime(|on| async move {
        let run = Group::<()>::run_on(on, async |group| {
            group.spawn(async { panic!("the task") });
            guard_pending().await
        });
        let payload = futures::FutureExt::catch_unwind(AssertUnwindSafe(run))
            .await
            .unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"the task"));
    });
}

#[test]
fn run_under_a_cancelled_scope_does_not_start_its_body() {
    on_every_runtime(|on| async move {
        let token = CancellationToken::new();
        token.cancel();
        let run = token.scope(Group::<()>::run_on(on, async |_| -> Outcome {
            unreachable!("the body must not start")
        }));
        assert!(run.await.is_err());
    });
}

#[test]
fn a_cancel_of_the_scope_outside_lets_body_and_tasks_unwind_before_run_returns() {
    let on = ByHand::default();
    let runtime = on.clone();
    let token = CancellationToken::new();
    let out = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&out);
    let (open, gate) = oneshot::channel();
    let mut outer: Pin<Box<dyn Future<Output = Outcome>>> = Box::pin(token.scope(async move {
        // Two check points outside that must not drop it, one through code that is not annotated.
        let run = async {
            TaskGroup::<(), Cancelled, _>::run_on(runtime, async |group| {
                group.spawn(unwinds_slowly(gate, flag));
                pending().await
            })
            .await
        };
        guard(async { guard(run).await? }).await?
    }));
    assert!(poll_once(&mut outer).is_pending());
    assert!(on.poll(0).is_pending());
    token.cancel_with("stop it");
    assert!(poll_once(&mut outer).is_pending(), "the task is still running");
    assert!(on.poll(0).is_pending(), "in its shield");
    assert!(poll_once(&mut outer).is_pending());
    open.send(()).unwrap();
    assert!(on.poll(0).is_ready());
    assert!(out.load(Ordering::SeqCst));
    let Poll::Ready(result) = poll_once(&mut outer) else {
        panic!("still pending")
    };
    assert_eq!(result.unwrap_err().reason().to_string(), "stop it");
}

#[test]
fn next_waits_under_a_cancel_of_the_group_but_not_under_one_that_does_not_concern_the_group() {
    let on = ByHand::default();
    let mut group = TaskGroup::<(), Cancelled, _>::on(on.clone());
    let (_open, gate) = oneshot::channel();
    group.spawn(unwinds_slowly(gate, Arc::default()));
    assert!(on.poll(0).is_pending());

    let patience = CancellationToken::new();
    let mut wait = Box::pin(patience.scope(guard(group.next())));
    assert!(poll_once(&mut wait).is_pending());
    patience.cancel();
    assert!(matches!(poll_once(&mut wait), Poll::Ready(Err(_))));
    drop(wait);
    assert!(!group.token().is_cancelled());

    let token = group.token().clone();
    let mut wait = Box::pin(token.scope(guard(group.next())));
    assert!(poll_once(&mut wait).is_pending());
    token.cancel();
    assert!(poll_once(&mut wait).is_pending());
}

#[test]
fn dropping_run_cancels_its_tasks_as_dropped() {
    let on = ByHand::default();
    let seen = Arc::new(Mutex::new(None));
    let log = Arc::clone(&seen);
    let runtime = on.clone();
    let mut run = Box::pin(TaskGroup::<(), Cancelled, _>::run_on(runtime, async |group| {
        group.spawn(async move {
            let result = guard_pending().await;
            *log.lock().unwrap() = result.clone().err();
            result
        });
        guard_pending().await
    }));
    assert!(poll_once(&mut run).is_pending());
    assert!(on.poll(0).is_pending());
    drop(run);
    assert!(on.poll(0).is_ready());
    assert_eq!(seen.lock().unwrap().as_ref().unwrap().kind(), ReasonKind::Dropped);
}

#[test]
fn run_waits_no_longer_than_the_grace_of_the_scope_outside() {
    on_every_runtime(|on| async move {
        let (started, start) = oneshot::channel();
        let outcome: Outcome = Scope::new()
            .grace(Duration::from_millis(1))
            .run_with(|token| {
                Group::<()>::run_on(on, async move |group| {
                    group.spawn(async move {
                        started.send(()).unwrap();
                        shield(pending()).await
                    });
                    start.await.unwrap();
                    token.cancel();
                    Ok(())
                })
            })
            .await;
        assert!(outcome.unwrap_err().was_forced());
    });
}

#[test]
fn a_task_that_a_sibling_has_superseded_gets_no_longer_than_the_grace_either() {
    on_every_runtime(|on| async move {
        let outcome: Result<(), AppError> = Scope::new()
            .grace(Duration::from_millis(1))
            .run(async move {
                let (started, start) = oneshot::channel();
                let mut group = Group::<(), AppError>::on(on);
                group.spawn(async move {
                    started.send(()).unwrap();
                    shield(pending()).await
                });
                start.await.unwrap();
                group.spawn(async { Err(AppError::Broken("disk full")) });
                assert!(group.next().await.unwrap().is_err());
                match group.next().await.unwrap().unwrap_err().or_resume() {
                    AppError::Cancelled(cancelled) => assert!(cancelled.was_forced()),
                    error => panic!("{error:?}"),
                }
                Ok(())
            })
            .await;
        outcome.unwrap();
    });
}

#[test]
fn run_can_be_spawned_itself_and_borrow_from_its_surroundings() {
    async fn sum(numbers: &[u32], on: On) -> Result<u32, Cancelled> {
        Group::run_on(on, async |group| {
            for &number in numbers {
                group.spawn(async move { Ok(number) });
            }
            Ok(group.join().await.map_err(TaskError::or_resume)?.iter().sum())
        })
        .await
    }
    on_every_runtime(|on| async move {
        let (tell, told) = oneshot::channel();
        on.spawn(async move { tell.send(sum(&[1, 2, 3], on).await).unwrap() });
        assert_eq!(told.await.unwrap().unwrap(), 6);
    });
}

#[test]
fn many_tasks_on_many_threads_each_report_once() {
    let total: Result<usize, Cancelled> = Runtime::TokioMultiThread.run(async {
        cancelable::tokio::TaskGroup::run(async |group| {
            for i in 0..10_000 {
                group.spawn(async move {
                    tokio::task::yield_now().await;
                    Ok(i)
                });
            }
            let mut total = 0;
            while let Some(value) = group.next().await {
                total += value.map_err(TaskError::or_resume)?;
            }
            Ok(total)
        })
        .await
    });
    assert_eq!(total.unwrap(), 10_000 * 9_999 / 2);
}

#[test]
fn of_many_tasks_that_fail_at_once_one_is_the_first_and_all_end() {
    for _ in 0..50 {
        Runtime::TokioMultiThread.run(async {
            let mut group = cancelable::tokio::TaskGroup::<(), AppError>::new();
            for i in 0..100 {
                group.spawn(async move {
                    if i % 10 == 9 {
                        return Err(AppError::Broken("one of ten"));
                    }
                    Ok(guard(pending::<()>()).await?)
                });
            }
            let error = group.join().await.unwrap_err();
            assert!(matches!(error, TaskError::Failed(AppError::Broken(_))));
            assert!(group.is_empty());
        });
    }
}

// threads -----------------------------------------------------------------------------------------------------------

#[test]
fn threads_join_in_order_of_spawning_and_come_by_next_in_order_of_completion() {
    let mut group = thread::TaskGroup::<u32, Cancelled>::new();
    let (open, gate) = mpsc::channel::<()>();
    group.spawn(move || {
        gate.recv().expect("the gate is opened");
        Ok(1)
    });
    group.spawn(|| Ok(2));
    assert_eq!(group.next().unwrap().unwrap(), 2);
    open.send(()).unwrap();
    group.spawn(|| Ok(3));
    assert_eq!(group.join().unwrap(), [1, 3]);
}

#[test]
fn a_thread_that_fails_cancels_the_others() {
    let mut group = thread::TaskGroup::<(), AppError>::new();
    group.spawn(|| Ok(cancelable::blocking_sleep(LONG)?));
    group.spawn(|| Err(AppError::Broken("disk full")));
    let error = group.join().unwrap_err();
    assert!(matches!(error, TaskError::Failed(AppError::Broken("disk full"))));
}

#[test]
fn dropping_a_group_of_threads_cancels_them_and_waits() {
    let out = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&out);
    let (tell, told) = mpsc::channel();
    let group = thread::TaskGroup::<(), Cancelled>::new();
    group.spawn(move || {
        tell.send(()).unwrap();
        let error = cancelable::blocking_sleep(LONG).unwrap_err();
        assert_eq!(error.kind(), ReasonKind::Dropped);
        flag.store(true, Ordering::SeqCst);
        Err(error)
    });
    told.recv().unwrap();
    drop(group);
    assert!(out.load(Ordering::SeqCst));
}

#[test]
fn a_panic_in_the_body_of_run_waits_for_the_threads() {
    let out = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&out);
    let (tell, told) = mpsc::channel();
    let payload = catch_unwind(AssertUnwindSafe(|| -> Outcome {
        thread::TaskGroup::<(), Cancelled>::run(|group| {
            group.spawn(move || {
                tell.send(()).unwrap();
                let result = cancelable::blocking_sleep(LONG);
                flag.store(true, Ordering::SeqCst);
                result
            });
            told.recv().unwrap();
            panic!("the body")
        })
    }))
    .unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"the body"));
    assert!(out.load(Ordering::SeqCst));
}

#[test]
fn a_thread_that_panics_ends_run_with_its_panic() {
    let payload = catch_unwind(|| -> Outcome {
        thread::TaskGroup::<(), Cancelled>::run(|group| {
            group.spawn(|| panic!("the thread"));
            cancelable::blocking_sleep(LONG)
        })
    })
    .unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"the thread"));
}

#[test]
fn a_destructor_of_a_thread_s_result_that_panics_lets_the_others_be_dropped() {
    struct Counts(Arc<AtomicUsize>);
    impl Drop for Counts {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic!("a destructor");
        }
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let payload = catch_unwind(AssertUnwindSafe(|| -> Outcome {
        thread::TaskGroup::run(|group| {
            for _ in 0..3 {
                let result = Counts(Arc::clone(&dropped));
                group.spawn(move || Ok(result));
            }
            Ok(())
        })
    }))
    .unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&"a destructor"));
    assert_eq!(dropped.load(Ordering::SeqCst), 3);
}

#[test]
fn threads_inherit_the_scope_s_cancel_deadline_and_name() {
    let outcome: Outcome = Scope::new()
        .name("outer")
        .timeout(Duration::from_millis(5))
        .run_sync(|| {
            thread::TaskGroup::<(), Cancelled>::run(|group| {
                group.spawn(|| cancelable::blocking_sleep(LONG));
                group.join().map(drop).map_err(TaskError::or_resume)
            })
        });
    let error = outcome.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.scope_name(), Some("outer"));
}

#[test]
fn a_thread_whose_group_was_cancelled_before_it_started_does_not_run_its_body() {
    let mut group = thread::TaskGroup::<(), Cancelled>::new();
    group.token().cancel();
    group.spawn(|| unreachable!("the body must not start"));
    let spawned_at = line!() - 1;
    let error = group.join().unwrap_err().or_resume();
    assert_eq!(error.observed_at().file(), file!());
    assert_eq!(error.observed_at().line(), spawned_at);
}

#[test]
fn a_task_that_is_dropped_and_whose_error_panics_as_it_is_made_has_ended() {
    /// Drops every task, as a runtime does that is going away.
    struct Refuses;

    impl Spawn for Refuses {
        fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(task)));
        }
    }

    struct Fussy;

    impl From<Cancelled> for Fussy {
        fn from(_: Cancelled) -> Self {
            panic!("no such error")
        }
    }

    let mut group = TaskGroup::<(), Fussy, _>::on(Refuses);
    group.spawn(async { Ok(()) });
    let ended = poll_once(&mut Box::pin(group.next()));
    let Poll::Ready(Some(Err(TaskError::Panicked(panic)))) = ended else {
        panic!("it is waited for");
    };
    assert_eq!(panic.message(), Some("no such error"));
    assert!(group.is_empty());
}
