//! Servers that stop.

use std::time::Duration;

use cancelable::{CancelReason, CancellationToken, ReasonKind};
use cancelable_tonic::{CallError, Outcome, ServerLayer};
use cancelable_tower::serve;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tower::Layer as _;

use crate::proto::{Number, PrimesClient};
use crate::support::{Bare, FOR_EVER, Script, Server, all, endless, log, until, worker};

/// <https://github.com/txpipe/dolos/pull/499>: streams that are being served.
#[tokio::test]
async fn what_runs_is_unavailable_and_so_is_what_comes() {
    let (log, mut logged) = log();
    let script = Script::new()
        .count(move |_| worker(log.clone()))
        .list(async |_| Ok(endless([2, 3])));
    let mut server = Server::start(ServerLayer::new(), &script).await;
    let mut numbers = server.client().list(Number::from(0)).await.unwrap().into_inner();
    assert_eq!(numbers.message().await.unwrap().unwrap().value, 2);
    let mut client = server.client();
    let call = tokio::spawn(async move { client.count(Number::from(0)).await });
    assert_eq!(logged.next().await, "working");

    let drained = server
        .requests
        .drain(CancelReason::signal(15), Duration::ZERO, FOR_EVER)
        .await;
    let status = call.await.unwrap().unwrap_err();
    let (received, end) = all(numbers).await;
    for (status, method) in [(status, "Count"), (end.unwrap_err(), "List")] {
        let text = "shutting down";
        assert_eq!((status.code(), status.message()), (Code::Unavailable, text), "{method}");
        assert_eq!(status.metadata().get("grpc-retry-pushback-ms").unwrap(), "1000");
    }
    assert_eq!(received, [3]);
    assert_eq!(logged.next().await, "shutting down");
    assert_eq!((drained.cancelled(), drained.stragglers().len()), (2, 0), "{drained}");
    for _ in 0..2 {
        let end = server.end().await;
        assert_eq!((end.outcome(), end.grpc_status()), (Outcome::Cancelled, Some(14)));
        assert_eq!(end.reason().unwrap().kind(), ReasonKind::Shutdown);
    }
    // Who comes all the same is not run.
    let calls = script.called();
    let status = server.client().count(Number::from(0)).await.unwrap_err();
    assert_eq!((status.code(), script.called()), (Code::Unavailable, calls));
}

struct Serving {
    endpoint: Endpoint,
    address: std::net::SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<cancelable_tonic::Drained>,
}

/// The whole drain in one call, on hyper's server.
async fn serving(layer: ServerLayer, script: &Script, run_for: Duration, grace: Duration) -> Serving {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let requests = layer.all().clone();
    let stop = CancellationToken::new();
    let serving = serve(listener, layer.layer(Routes::new(script.server())))
        .requests(&requests)
        .run_for(run_for)
        .grace(grace)
        .until(stop.clone());
    Serving {
        endpoint: Endpoint::from_shared(format!("http://{address}")).unwrap(),
        address,
        stop,
        served: tokio::spawn(serving),
    }
}

#[tokio::test]
async fn serve_lets_run_and_then_cancels() {
    let script = Script::pending();
    let layer = ServerLayer::new();
    let requests = layer.all().clone();
    let serving = serving(layer, &script, Duration::ZERO, FOR_EVER).await;
    let mut client = PrimesClient::new(serving.endpoint.connect_lazy());
    let call = tokio::spawn(async move { client.count(Number::from(0)).await });
    until("a call", || requests.len() == 1 && script.called() == 1).await;
    serving.stop.cancel_with(CancelReason::signal(15));
    let status = call.await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let drained = serving.served.await.unwrap();
    assert_eq!(
        (drained.cancelled(), drained.stragglers().len(), drained.connections()),
        (1, 0, 0)
    );
    assert_eq!(drained.reason().kind(), ReasonKind::Signal);
}

/// <https://github.com/hyperium/hyper/issues/4170>: clients that do not answer hold up a server of tonic's that is to stop.
#[tokio::test]
async fn a_client_that_does_nothing_does_not_hold_it_up() {
    let script = Script::asked();
    let serving = serving(
        ServerLayer::new(),
        &script,
        Duration::from_millis(1),
        Duration::from_millis(1),
    )
    .await;
    let mut bare = PrimesClient::new(Bare::connect(serving.address).await);
    assert!(bare.count(Number::from(0)).await.is_ok());
    // One is connected and says nothing; one has had an answer, and has gone to sleep.
    let silent = tokio::net::TcpStream::connect(serving.address).await.unwrap();
    serving.stop.cancel();
    let drained = serving.served.await.unwrap();
    assert!(drained.is_clean(), "{drained}");
    drop((silent, bare));
}

#[tokio::test]
async fn the_scope_of_the_server_is_above_that_of_calls() {
    let server = Server::start(ServerLayer::new(), &Script::pending()).await;
    let requests = server.requests.clone();
    let mut client = server.client();
    let call = tokio::spawn(async move { client.count(Number::from(0)).await });
    until("a call", || requests.len() == 1).await;
    requests.token().cancel_with("maintenance");
    let status = call.await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Cancelled, "maintenance"));
    let error = CallError::from(status);
    assert_eq!(Status::from(error).code(), Code::Cancelled);
}
