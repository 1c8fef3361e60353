//! Many calls, of which a third are left at some moment: nothing is left over.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cancelable::{CancellationToken, Scope};
use cancelable_tonic::{CallError, ServerLayer};
use futures::StreamExt as _;
use tonic::{Request, Status};

use crate::proto::Number;
use crate::support::{Script, Server, endless, until, work};

/// Counts what lives.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct One(Alive);

impl Alive {
    fn one(&self) -> One {
        self.0.fetch_add(1, Ordering::SeqCst);
        One(self.clone())
    }

    fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_left_over() {
    const CALLS: u64 = 600;
    /// So many may be those of connections, which are made anew if much is reset. (With five times the calls it is no more.)
    const TASKS: usize = 16;
    let (handlers, workers) = (Alive::default(), Alive::default());
    let alive = (handlers.clone(), workers.clone());
    // The last hop: answers, streams, or works until it is stopped.
    let last = Script::new()
        .count(move |request: Request<Number>| {
            let (handler, worker) = (alive.0.one(), alive.1.clone());
            async move {
                let _handler = handler;
                match request.into_inner().value % 3 {
                    0 => Ok(7),
                    _ => {
                        let worker = worker.one();
                        let worked = cancelable::tokio::spawn_blocking(move || {
                            let _worker = worker;
                            work()
                        });
                        worked.await.unwrap().map_err(cancelable_tonic::status)
                    }
                }
            }
        })
        .list(async |_| Ok(endless([1, 2, 3])));
    let last = Server::start(ServerLayer::new(), &last).await;
    let (client, other) = (last.scoped(), last.scoped());
    let middle = Script::new()
        .count(move |request: Request<Number>| {
            let mut client = client.clone();
            async move { Ok(client.count(request.into_inner()).await?.into_inner().value) }
        })
        .list(move |request: Request<Number>| {
            let mut client = other.clone();
            async move { Ok(Box::pin(client.list(request.into_inner()).await?.into_inner()) as _) }
        });
    let middle = Server::start(ServerLayer::new(), &middle).await;
    let client = middle.scoped();
    // Connections are there, with their tasks.
    client.clone().count(Number::from(0)).await.unwrap();
    until("the first call to be over", || {
        last.requests.is_empty() && middle.requests.is_empty()
    })
    .await;
    let metrics = tokio::runtime::Handle::current().metrics();
    let tasks = metrics.num_alive_tasks();

    let calls = (0..CALLS).map(|n| {
        let mut client = client.clone();
        async move {
            let token = CancellationToken::new();
            let call = token.scope(async {
                match n % 4 {
                    3 => {
                        let mut numbers = client.list(Number::from(n)).await?.into_inner();
                        while numbers.message().await?.is_some() {}
                        Ok(0)
                    }
                    _ => Ok(client.count(Number::from(n)).await?.into_inner().value),
                }
            });
            // A third is dropped, a third cancelled, a third has a time limit, all after some microseconds.
            let after = Duration::from_micros(n * 7_919 % 5_000);
            let ended: Result<u64, Status> = match n % 3 {
                0 => match tokio::time::timeout(after, call).await {
                    Ok(ended) => ended,
                    Err(_) => Err(Status::cancelled("dropped")),
                },
                1 => {
                    token.cancel_after(after);
                    call.await
                }
                _ => {
                    let scope = Scope::new().timeout(after + Duration::from_millis(10));
                    let ended: Result<u64, CallError> = scope.run(async { Ok(call.await?) }).await;
                    ended.map_err(Status::from)
                }
            };
            usize::from(ended.is_err())
        }
    });
    let failed: usize = futures::stream::iter(calls)
        .buffer_unordered(32)
        .fold(0, async |sum, one| sum + one)
        .await;
    assert!(failed > 0);
    let left_over = || {
        [
            handlers.count(),
            workers.count(),
            last.requests.len(),
            middle.requests.len(),
            metrics.num_alive_tasks().saturating_sub(tasks + TASKS),
        ]
    };
    let is_over = || left_over() == [0; 5];
    for _ in 0..60_000 {
        if is_over() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(is_over(), "handlers, workers, calls of both, tasks: {:?}", left_over());
    // And it goes on. (A server of hyper's closes a connection on which too much is reset; the next call has a new one.)
    let going_on = async { while client.clone().count(Number::from(0)).await.is_err() {} };
    let goes_on = tokio::time::timeout(Duration::from_secs(60), going_on).await;
    assert!(goes_on.is_ok());
}
