//! Three processes: this one is the client, and starts itself twice more, as a front and as a back end.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use cancelable::{CancellationToken, Scope};
use cancelable_tonic::{CallError, ClientLayer, ClientService, ServerLayer};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tower::Layer as _;

use crate::proto::{Number, PrimesClient};
use crate::support::{Script, Server, all, endless, work};

/// What this process is to be, if it is not the test: the back end, or the front of the one at this address.
const ROLE: &str = "CANCELABLE_TONIC_TEST_ROLE";

/// What `Count` is asked for.
const STARTED: u64 = 0;
const STOPPED: u64 = 1;
const CALLS: u64 = 2;
const WORK: u64 = 3;

type Client = PrimesClient<ClientService<Channel>>;

fn client_of(address: &str) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    PrimesClient::new(ClientLayer::new().layer(endpoint.connect_lazy()))
}

/// Workers, counted.
fn backend() -> Script {
    let (started, stopped) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let script = Script::new().count(move |request: Request<Number>| {
        let (started, stopped) = (Arc::clone(&started), Arc::clone(&stopped));
        async move {
            match request.into_inner().value {
                STARTED => Ok(started.load(Ordering::SeqCst)),
                STOPPED => Ok(stopped.load(Ordering::SeqCst)),
                _ => {
                    let worker = cancelable::tokio::spawn_blocking(move || {
                        started.fetch_add(1, Ordering::SeqCst);
                        let worked = work();
                        stopped.fetch_add(1, Ordering::SeqCst);
                        worked
                    });
                    worker.await.unwrap().map_err(cancelable_tonic::status)
                }
            }
        }
    });
    script.list(async |_| Ok(endless([2, 3, 5])))
}

/// Asks another process.
fn front(backend: &str, layer: &ServerLayer) -> Script {
    let client = client_of(backend);
    let (other, requests) = (client.clone(), layer.all().clone());
    let script = Script::new().count(move |request: Request<Number>| {
        let (mut client, requests) = (client.clone(), requests.clone());
        async move {
            match request.into_inner().value {
                // (Without this one.)
                CALLS => Ok(requests.len() as u64 - 1),
                value => Ok(client.count(Number::from(value)).await?.into_inner().value),
            }
        }
    });
    script.list(move |request: Request<Number>| {
        let mut client = other.clone();
        async move { Ok(Box::pin(client.list(request.into_inner()).await?.into_inner()) as _) }
    })
}

/// No test: what the other processes do, until nobody is there any more who wants them.
#[test]
fn role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let layer = ServerLayer::new();
        let script = match &*role {
            "backend" => backend(),
            address => front(address, &layer),
        };
        let server = Server::start(layer, &script).await;
        eprintln!("listening on {}", server.address);
        let gone = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        let _ = gone.await;
    });
    std::process::exit(0);
}

struct Process {
    child: Child,
    address: String,
}

impl Process {
    async fn start(role: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "processes::role", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = loop {
            let line = lines.next_line().await.unwrap().expect("a line that says where it is");
            if let Some(address) = line.strip_prefix("listening on ") {
                break address.to_owned();
            }
        };
        // What it says else is to be seen.
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                eprintln!("{line}");
            }
        });
        Self { child, address }
    }

    /// As `kill -9`.
    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    async fn ask(&self, what: u64) -> u64 {
        let mut client = client_of(&self.address);
        client.count(Number::from(what)).await.unwrap().into_inner().value
    }

    /// Until it says so, but for a minute at most.
    async fn says(&self, what: u64, number: u64) {
        let mut client = client_of(&self.address);
        let saying = async {
            while client.count(Number::from(what)).await.unwrap().into_inner().value != number {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        let said = tokio::time::timeout(Duration::from_secs(60), saying).await;
        assert!(said.is_ok(), "{what} is not {number}");
    }
}

async fn both() -> (Process, Process) {
    let backend = Process::start("backend").await;
    let front = Process::start(&backend.address).await;
    (front, backend)
}

/// What blocks, in another process than the one that the client has asked: <https://github.com/foundry-rs/foundry/pull/12968>,
/// <https://github.com/grpc/grpc-java/issues/1205>.
#[tokio::test]
async fn a_client_that_leaves_stops_a_worker_two_hops_away() {
    let (front, backend) = both().await;
    // It cancels.
    let mut client = client_of(&front.address);
    let token = CancellationToken::new();
    let (status, ()) = tokio::join!(token.scope(client.count(Number::from(WORK))), async {
        backend.says(STARTED, 1).await;
        token.cancel_with("enough");
    });
    let status = status.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Cancelled, "enough"));
    backend.says(STOPPED, 1).await;
    front.says(CALLS, 0).await;

    // It is dropped; and it is tonic's own.
    let endpoint = Endpoint::from_shared(format!("http://{}", front.address)).unwrap();
    let mut client = PrimesClient::new(endpoint.connect_lazy());
    let call = tokio::spawn(async move { client.count(Number::from(WORK)).await });
    backend.says(STARTED, 2).await;
    call.abort();
    backend.says(STOPPED, 2).await;
    front.says(CALLS, 0).await;
}

#[tokio::test]
async fn a_time_limit_stops_a_worker_two_hops_away() {
    let (front, backend) = both().await;
    let mut client = client_of(&front.address);
    let scope = Scope::new().timeout(Duration::from_millis(500));
    let counted: Result<u64, CallError> = scope
        .run(async { Ok(client.count(Number::from(WORK)).await?.into_inner().value) })
        .await;
    assert_eq!(Status::from(counted.unwrap_err()).code(), Code::DeadlineExceeded);
    // On a machine that is busy it may not have begun.
    let started = backend.ask(STARTED).await;
    backend.says(STOPPED, started).await;
    front.says(CALLS, 0).await;
}

#[tokio::test]
async fn a_back_end_that_is_killed_is_unavailable_and_the_front_goes_on() {
    let (front, backend) = both().await;
    let mut client = client_of(&front.address);
    let mut numbers = client.list(Number::from(0)).await.unwrap().into_inner();
    for n in [2, 3, 5] {
        assert_eq!(numbers.message().await.unwrap().unwrap().value, n);
    }
    let (status, ()) = tokio::join!(client.count(Number::from(WORK)), async {
        backend.says(STARTED, 1).await;
        backend.kill().await;
    });
    let status = status.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let (_, end) = all(numbers).await;
    let status = end.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    front.says(CALLS, 0).await;
    // Who comes now is told at once.
    let status = client.count(Number::from(WORK)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

#[tokio::test]
async fn a_front_that_is_killed_leaves_no_work_behind() {
    let (front, backend) = both().await;
    let mut client = client_of(&front.address);
    let (status, ()) = tokio::join!(client.count(Number::from(WORK)), async {
        backend.says(STARTED, 1).await;
        front.kill().await;
    });
    assert_eq!(status.unwrap_err().code(), Code::Unavailable);
    backend.says(STOPPED, 1).await;
}
