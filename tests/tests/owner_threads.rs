//! Programs that people asked about in public: owners of tasks that live as long as a server. (Those of the memory that a
//! `JoinSet` keeps are in `owner_memory.rs`.)

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cancelable::tokio::TaskOwner;
use cancelable::{
    CancelReason, CancellationToken, Cancelled, ReasonKind, TaskError, cancelable, check, guard, shield, sleep,
};
use tests::{DropFlag, paused_tokio};
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

const LONG: Duration = Duration::from_secs(3600);

fn on_both_flavours(test: impl AsyncFn() + Send + Sync + Copy + 'static) {
    for workers in [None, Some(2)] {
        let mut builder = match workers {
            None => tokio::runtime::Builder::new_current_thread(),
            Some(_) => tokio::runtime::Builder::new_multi_thread(),
        };
        let runtime = builder
            .worker_threads(workers.unwrap_or(1))
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test());
    }
}

/// <https://github.com/blockscout/blockscout-rs/pull/1129>: a `TaskTracker`, a `JoinSet` and a token, "to first try graceful
/// shutdown and resort to task abort if not successful".
#[test]
fn cancel_wait_at_most_so_long_then_abort() {
    paused_tokio().block_on(async {
        let services = TaskOwner::new();
        let log = Arc::new(Mutex::new(Vec::new()));
        let of_server = Arc::clone(&log);
        drop(services.named("http").spawn(async move {
            let stopped = guard(pending::<()>()).await;
            shield(tokio::time::sleep(Duration::from_secs(3))).await;
            of_server.lock().unwrap().push("http has answered");
            stopped
        }));
        drop(services.named("metrics").spawn(shield(pending::<()>())));
        yield_now().await;
        let start = tokio::time::Instant::now();
        let report = services.cancel_and_wait(Duration::from_secs(15)).await;
        assert_eq!(start.elapsed(), Duration::from_secs(15));
        assert_eq!(*log.lock().unwrap(), ["http has answered"]);
        assert_eq!(report.ended()[0].name(), Some("http"));
        assert_eq!(report.forced()[0].name(), Some("metrics"));
    });
}

/// <https://github.com/tokio-rs/tokio/issues/6547>: to spawn in one task, take results in another, and hold a ticket of a
/// semaphore for each; a `JoinSet` wants `&mut` for both.
#[test]
fn one_task_spawns_while_another_takes_the_results() {
    on_both_flavours(async || {
        let tasks = Arc::new(TaskOwner::builder().limit(4).build());
        let (sender, mut handles) = mpsc::unbounded_channel();
        let of_spawner = Arc::clone(&tasks);
        let spawner = tasks_of_their_own().spawn(async move {
            for n in 0..1000_u64 {
                let place = of_spawner.reserve().await?;
                sender.send(place.spawn(async move { n * n })).unwrap();
            }
            Ok::<_, Cancelled>(())
        });
        let mut sum = 0;
        while let Some(handle) = handles.recv().await {
            sum += handle.await.unwrap();
        }
        spawner.await.unwrap().unwrap();
        assert_eq!(sum, (0..1000).map(|n| n * n).sum());
        assert!(tasks.is_empty());
    });
}

/// One that lives as long as the test.
fn tasks_of_their_own() -> &'static TaskOwner {
    Box::leak(Box::new(TaskOwner::below(&CancellationToken::never())))
}

/// <https://github.com/smol-rs/smol/issues/308>: on smol, "an asynchronous spawn method that takes a concurrency limit, and if
/// there are more than that number of items in the set, waits for the next task to complete before spawning another".
/// <https://github.com/oxidecomputer/omicron/pull/8174> and <https://github.com/huggingface/xet-core/pull/209> are such sets.
#[test]
fn on_smol_with_a_limit_that_the_spawner_waits_for() {
    smol::block_on(async {
        let tasks = cancelable::smol::TaskOwner::builder().limit(3).build();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..100 {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            drop(tasks.reserve().await.unwrap().spawn(async move {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                smol::future::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
            }));
        }
        tasks.wait().await;
        assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
    });
}

/// <https://github.com/torrust/torrust-tracker/issues/213>: a panic in any of the servers should end the application, which goes
/// on with half of them today.
#[test]
fn a_panic_of_one_server_is_the_end_of_all() {
    on_both_flavours(async || {
        let servers = TaskOwner::new();
        let (start, started) = oneshot::channel::<()>();
        let api = servers
            .named("api")
            .spawn(async { guard(pending::<()>()).await.unwrap_err() });
        drop(servers.named("udp").spawn(async move {
            started.await.unwrap();
            panic!("address in use");
        }));
        start.send(()).unwrap();
        // What `main` does.
        servers.token().cancelled().await;
        let report = servers.cancel_and_wait(LONG).await;
        assert_eq!(
            (report.panicked(), report.panics()[0].message()),
            (1, Some("address in use"))
        );
        match api.await {
            Ok(why) => assert_eq!(why.kind(), ReasonKind::Superseded),
            // It had not begun.
            Err(TaskError::Failed(why)) => assert_eq!(why.kind(), ReasonKind::Superseded),
            Err(error) => panic!("{error}"),
        }
    });
}

/// <https://github.com/MystenLabs/sui/pull/27319>: at a shutdown, abort all tasks, await all of them, "remembering the first
/// panic", and only then let that go on.
#[test]
fn the_first_panic_goes_on_when_all_tasks_have_ended() {
    on_both_flavours(async || {
        let tasks = TaskOwner::builder().isolate_panics(|_| ()).build();
        let dropped = Arc::new(AtomicUsize::new(0));
        let mut begun = Vec::new();
        for n in 0..10 {
            let flag = DropFlag(Arc::clone(&dropped));
            let (begins, has_begun) = oneshot::channel();
            begun.push(has_begun);
            drop(tasks.spawn(async move {
                let _flag = flag;
                begins.send(()).unwrap();
                if n == 3 {
                    panic!("task {n}");
                }
                shield(pending::<()>()).await;
            }));
        }
        for has_begun in begun {
            has_begun.await.unwrap();
        }
        let report = tasks.cancel_and_wait(Duration::ZERO).await;
        assert_eq!(dropped.load(Ordering::SeqCst), 10);
        let panic = catch_unwind(AssertUnwindSafe(|| report.resume_panic())).unwrap_err();
        assert_eq!(panic.downcast_ref::<String>().unwrap(), "task 3");
    });
}

/// <https://github.com/commonwarexyz/monorepo/issues/1100>: "if we drop/abort the parent task, the child sub-tasks aren't
/// aborted".
#[test]
fn an_aborted_task_takes_its_own_tasks_along() {
    on_both_flavours(async || {
        let networks = TaskOwner::new();
        let (sender, mut router) = mpsc::unbounded_channel();
        let network = networks.spawn(async move {
            // Made in a task, so below its token.
            let actors = TaskOwner::new();
            let (begins, has_begun) = oneshot::channel();
            let router = actors.spawn_blocking(move || -> Result<(), Cancelled> {
                begins.send(()).unwrap();
                loop {
                    check()?;
                }
            });
            has_begun.await.unwrap();
            sender.send(router).unwrap();
            shield(pending::<()>()).await;
        });
        let router = router.recv().await.unwrap();
        network.abort();
        assert!(network.await.unwrap_err().or_resume().was_forced());
        assert_eq!(router.await.unwrap().unwrap_err().kind(), ReasonKind::Manual);
    });
}

/// What all of them come down to: an accept loop that stops accepting, lets the requests that run finish, and cuts the rest.
/// (<https://github.com/agentic-os-org/ANOLISA/pull/2554>: one that kept each connection that had ended.)
#[test]
fn an_accept_loop_that_drains() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};

    #[cancelable]
    async fn serve(mut client: TcpStream, begun: mpsc::UnboundedSender<()>) -> std::io::Result<()> {
        let mut byte = [0];
        client.read_exact(&mut byte).await?;
        begun.send(()).unwrap();
        if byte == *b"s" {
            // A slow one.
            let cut = sleep(LONG).await;
            #[cancelable(shield)]
            client.write_all(b"503").await?;
            cut?;
        }
        client.write_all(b"200").await
    }

    #[cancelable(token = connections.accepting())]
    async fn accept(
        listener: TcpListener,
        connections: Arc<TaskOwner>,
        begun: mpsc::UnboundedSender<()>,
    ) -> Result<(), Cancelled> {
        loop {
            let place = connections.reserve().await?;
            if let Ok((client, from)) = listener.accept().await {
                drop(place.name(from.to_string()).spawn(serve(client, begun.clone())));
            }
        }
    }

    async fn ask(address: std::net::SocketAddr, what: &[u8]) -> TcpStream {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(what).await.unwrap();
        client
    }

    on_both_flavours(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(TaskOwner::builder().limit(100).build());
        let (begins, mut begun) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(accept(listener, Arc::clone(&connections), begins));
        let (mut quick, mut slow, mut late) = (
            ask(address, b"q").await,
            ask(address, b"s").await,
            ask(address, b"").await,
        );
        begun.recv().await.unwrap();
        begun.recv().await.unwrap();
        let mut answer = [0; 3];
        quick.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"200");

        let report = connections.drain(Duration::from_millis(1), LONG).await;
        assert!(report.forced().is_empty() && report.running().is_empty(), "{report}");
        assert_eq!(accepting.await.unwrap().unwrap_err().kind(), ReasonKind::Shutdown);
        slow.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"503");
        // Its task, if there was one, has been dropped; or it has never been accepted.
        assert!(!matches!(late.read(&mut answer).await, Ok(1..)));
        assert!(TcpStream::connect(address).await.is_err());
    });
}

/// <https://github.com/bytebeamio/uplink/pull/385> aborts the whole process for a panic; a server with a connection per task
/// would rather not.
#[test]
fn a_panic_of_one_connection_is_written_down_and_no_more() {
    on_both_flavours(async || {
        let (log, mut lines) = mpsc::unbounded_channel();
        let connections = TaskOwner::builder()
            .isolate_panics(move |panic| log.send(panic.to_string()).unwrap())
            .build();
        drop(connections.spawn(async { panic!("a bad request") }));
        assert!(lines.recv().await.unwrap().ends_with("panicked: a bad request"));
        assert_eq!(connections.spawn(async { "still here" }).await.unwrap(), "still here");
        connections.token().cancel_with(CancelReason::shutdown());
        assert!(connections.cancel_and_wait(LONG).await.running().is_empty());
    });
}
