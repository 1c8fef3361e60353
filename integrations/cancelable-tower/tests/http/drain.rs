//! The shutdown.

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::routing::get;
use cancelable::{CancelReason, CancellationToken, ReasonKind, shield};
use cancelable_tower::{CancelLayer, CancelledResponse, OnDisconnect, Outcome, Requests};
use http::{Request, StatusCode};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tower::ServiceExt as _;

use crate::support::{FOR_EVER, Once, Server, channel, log, worker};

#[tokio::test]
async fn requests_that_run_have_their_answers_and_new_clients_go_elsewhere() {
    let (log, mut logged) = log();
    let gate = Arc::new(Notify::new());
    let handler = {
        let gate = Arc::clone(&gate);
        async move || {
            log.say("begun");
            gate.notified().await;
            "done"
        }
    };
    let server = Server::start(CancelLayer::new(), Router::new().route("/", get(handler))).await;
    // One that keeps its connection, and has had its answer; one that runs.
    let mut kept = server.send("GET /nowhere HTTP/1.1\r\nHost: test\r\n\r\n").await;
    kept.until("404").await;
    let client = server.get("/").await;
    assert_eq!(logged.next().await, "begun");
    server.stop();
    assert!(kept.rest().await.contains("404"), "it is closed");
    let refused = loop {
        // (What the kernel has accepted by then is reset.)
        match TcpStream::connect(server.address).await {
            Ok(_) => tokio::task::yield_now().await,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(!server.drained.is_finished());
    gate.notify_one();
    assert_eq!(client.answer().await.status, 200);
    let drained = server.drained.await.unwrap();
    assert!(drained.is_clean());
    assert_eq!(
        (drained.finished(), drained.cancelled(), drained.connections()),
        (1, 0, 0)
    );
    assert_eq!(drained.to_string(), "received SIGTERM: 1 finished, 0 cancelled");
}

#[tokio::test]
async fn requests_that_take_too_long_are_cancelled_and_answered() {
    let (log, mut logged) = log();
    let handler = async move || -> Result<&'static str, CancelledResponse> {
        worker(&log).await.unwrap()?;
        Ok("done")
    };
    let (sender, stream) = channel();
    let stream = Once::new(stream);
    let rows = async move || Body::from_stream(stream.take());
    let router = Router::new().route("/work", get(handler)).route("/rows", get(rows));
    let mut server = Server::draining(CancelLayer::new(), router, Duration::ZERO, FOR_EVER).await;
    let client = server.get("/work").await;
    assert_eq!(logged.next().await, "working");
    let mut reader = server.get("/rows").await;
    sender.send("first".into()).unwrap();
    reader.until("first").await;
    server.stop();
    assert_eq!(logged.next().await, "shutting down");
    let answer = client.answer().await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "shutting down\n"));
    assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
    assert!(
        !reader.rest().await.ends_with("0\r\n\r\n"),
        "a body that is cut is not to look whole"
    );
    let drained = server.drained.await.unwrap();
    assert_eq!(
        (drained.finished(), drained.cancelled(), drained.is_clean()),
        (0, 2, false)
    );
    for _ in 0..2 {
        let end = server.ends.recv().await.unwrap();
        assert_eq!(end.reason().unwrap().kind(), ReasonKind::Shutdown);
        assert!(!end.has_client_left());
    }
}

/// Does not let itself be cancelled.
fn stubborn(log: crate::support::Log) -> Router {
    let handler = async move || {
        log.say("begun");
        shield(pending::<()>()).await;
    };
    Router::new().route("/stubborn", get(handler))
}

#[tokio::test]
async fn who_does_not_end_is_dropped_and_told_of() {
    let (log, mut logged) = log();
    let mut server = Server::draining(CancelLayer::new(), stubborn(log), Duration::ZERO, Duration::ZERO).await;
    let client = server.get("/stubborn").await;
    assert_eq!(logged.next().await, "begun");
    server.stop();
    let drained = server.drained.await.unwrap();
    assert_eq!(drained.stragglers().len(), 1);
    assert_eq!(drained.stragglers()[0].name(), "GET /stubborn");
    let text = drained.to_string();
    assert!(
        text.starts_with("received SIGTERM: 0 finished, 0 cancelled, 1 dropped: \"GET /stubborn\" after "),
        "{text}"
    );
    assert_eq!(client.rest().await, "", "cut");
    let end = server.ends.recv().await.unwrap();
    assert_eq!(
        (end.outcome(), end.reason().unwrap().kind()),
        (Outcome::Cancelled, ReasonKind::Shutdown)
    );
    assert!(server.requests.is_empty());
}

#[tokio::test]
async fn a_second_signal_ends_the_drain_at_once() {
    let (log, mut logged) = log();
    let server = Server::start(CancelLayer::new(), stubborn(log)).await;
    let client = server.get("/stubborn").await;
    assert_eq!(logged.next().await, "begun");
    server.stop();
    tokio::task::yield_now().await;
    assert!(!server.drained.is_finished());
    server.force.cancel();
    assert_eq!(server.drained.await.unwrap().stragglers().len(), 1);
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn work_whose_client_has_left_is_drained_as_well() {
    let (log, mut logged) = log();
    let layer = CancelLayer::new().on_disconnect(OnDisconnect::Detach);
    let mut server = Server::draining(layer, stubborn(log), Duration::ZERO, Duration::ZERO).await;
    let client = server.get("/stubborn").await;
    assert_eq!(logged.next().await, "begun");
    drop(client);
    server.settled().await;
    server.stop();
    assert_eq!(server.drained.await.unwrap().stragglers().len(), 1);
    let end = server.ends.recv().await.unwrap();
    assert_eq!(
        (end.outcome(), end.reason().unwrap().kind()),
        (Outcome::Cancelled, ReasonKind::Shutdown)
    );
    assert!(server.requests.is_empty());
}

#[tokio::test]
async fn connections_without_a_request_do_not_hold_up_the_end() {
    let server = Server::draining(CancelLayer::new(), Router::new(), FOR_EVER, FOR_EVER).await;
    let client = server.send("").await;
    let half = server.send("GET / HT").await;
    // By now both have been accepted.
    assert_eq!(server.get("/").await.answer().await.status, 404);
    server.stop();
    server.force.cancel();
    assert!(server.drained.await.unwrap().is_clean());
    assert_eq!((client.rest().await, half.rest().await), (String::new(), String::new()));
}

/// With a server of another kind: here none at all.
#[tokio::test]
async fn requests_are_drained_without_our_server_and_new_ones_are_not_run() {
    let (log, mut logged) = log();
    let requests = Requests::new();
    let layer = CancelLayer::new().requests(&requests);
    let handler = async move || {
        log.say("begun");
        pending::<()>().await;
    };
    let router = Router::new().route("/", get(handler)).layer(layer);
    let request = || Request::get("/").body(Body::empty()).unwrap();
    let running = tokio::spawn(router.clone().oneshot(request()));
    assert_eq!(logged.next().await, "begun");
    let drained = requests.drain(CancelReason::signal(15), Duration::ZERO, FOR_EVER).await;
    assert_eq!(
        (drained.finished(), drained.cancelled(), drained.connections()),
        (0, 1, 0)
    );
    assert_eq!(
        running.await.unwrap().unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        router.oneshot(request()).await.unwrap().status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
    logged.nothing();
    // A second drain has nothing to do.
    assert!(
        requests
            .drain(CancelReason::manual(), FOR_EVER, FOR_EVER)
            .await
            .is_clean()
    );
}

/// A drain is clean-up: the cancel that it is for does not cut it short.
#[tokio::test]
async fn a_drain_in_a_cancelled_scope_drains() {
    let (requests, gate) = (Requests::new(), Arc::new(Notify::new()));
    let opened = Arc::clone(&gate);
    let handler = async move || opened.notified().await;
    let router = Router::new()
        .route("/", get(handler))
        .layer(CancelLayer::new().requests(&requests));
    let running = tokio::spawn(router.oneshot(Request::get("/").body(Body::empty()).unwrap()));
    while requests.is_empty() {
        tokio::task::yield_now().await;
    }
    let token = CancellationToken::new();
    token.cancel();
    let drain =
        tokio::spawn(token.scope(async move { requests.drain(CancelReason::manual(), FOR_EVER, FOR_EVER).await }));
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert!(!drain.is_finished());
    gate.notify_one();
    assert!(drain.await.unwrap().is_clean());
    assert_eq!(running.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[cfg(unix)]
#[tokio::test]
async fn it_serves_unix_sockets() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let path = std::env::temp_dir().join(format!("cancelable-tower-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let stop = CancellationToken::new();
    let router = Router::new().route("/", get(async || "hello"));
    let serving = tokio::spawn(cancelable_tower::serve(listener, router).until(stop.clone()));
    let mut client = tokio::net::UnixStream::connect(&path).await.unwrap();
    std::fs::remove_file(&path).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello"), "{answer}");
    stop.cancel();
    assert!(serving.await.unwrap().is_clean());
}

#[tokio::test]
async fn handlers_know_their_client() {
    let handler = async |ConnectInfo(from): ConnectInfo<std::net::SocketAddr>| from.ip().to_string();
    let server = Server::start(CancelLayer::new(), Router::new().route("/", get(handler))).await;
    assert_eq!(server.get("/").await.answer().await.body, "127.0.0.1");
}
