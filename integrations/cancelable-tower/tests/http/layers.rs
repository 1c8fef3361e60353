//! Beside other layers, and HTTP/2.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use cancelable_tower::{CancelLayer, CancelledResponse, Outcome};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc::unbounded_channel;
use tower::{Layer as _, ServiceExt as _};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use crate::support::{FOR_EVER, Log, Server, log, worker};

fn working(log: Log) -> Router {
    let handler = async move || -> Result<&'static str, CancelledResponse> {
        worker(&log).await.unwrap()?;
        Ok("done")
    };
    Router::new().route("/", get(handler))
}

fn timeout_layer() -> TimeoutLayer {
    TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_millis(20))
}

#[tokio::test]
async fn a_timeout_layer_further_out_stops_the_worker() {
    let (log, mut logged) = log();
    let (ended, mut ends) = unbounded_channel();
    let layer = CancelLayer::new().on_end(move |end| ended.send(end.clone()).unwrap());
    let router = working(log).layer(layer).layer(timeout_layer());
    let response = router
        .oneshot(Request::get("/").body(axum::body::Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::REQUEST_TIMEOUT);
    assert_eq!(logged.next().await, "working");
    assert_eq!(
        logged.next().await,
        "dropped before it finished (scope \"GET /\"): the client has left"
    );
    assert!(ends.recv().await.unwrap().has_client_left());
}

#[tokio::test]
async fn a_timeout_layer_further_in_stops_the_worker() {
    let (log, mut logged) = log();
    let router = working(log).layer(timeout_layer());
    let mut server = Server::start(CancelLayer::new(), router).await;
    assert_eq!(server.get("/").await.answer().await.status, 408);
    assert_eq!(logged.next().await, "working");
    assert_eq!(logged.next().await, "its scope has ended (scope \"GET /\")");
    let end = server.end().await;
    assert_eq!(
        (end.outcome(), end.status().unwrap().as_u16()),
        (Outcome::Completed, 408)
    );
}

#[tokio::test]
async fn a_panic_passes_and_is_told_of() {
    let (log, mut logged) = log();
    let handler = async move || {
        let _worker = worker(&log);
        if log.is_there() {
            panic!("no answer");
        }
    };
    let (ended, mut ends) = unbounded_channel();
    let layer = CancelLayer::new()
        .on_end(|_| panic!("nor an event"))
        .on_end(move |end| ended.send(end.clone()).unwrap());
    let requests = layer.all().clone();
    let router = Router::new()
        .route("/", get(handler))
        .layer(layer)
        .layer(CatchPanicLayer::new());
    let response = router
        .oneshot(Request::get("/").body(axum::body::Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let end = ends.recv().await.unwrap();
    assert_eq!((end.outcome(), end.status()), (Outcome::Panicked, None));
    assert!(requests.is_empty());
    let mut said = [logged.next().await, logged.next().await];
    said.sort();
    assert_eq!(said, ["dropped before it finished (scope \"GET /\")", "working"]);
}

#[tokio::test]
async fn a_request_inside_of_a_scope_ends_with_it() {
    let token = cancelable::CancellationToken::new();
    let router = Router::new().route("/", get(async || std::future::pending::<()>().await));
    let service = CancelLayer::new().layer(router);
    let request = Request::get("/").body(axum::body::Body::empty()).unwrap();
    let response = tokio::spawn(token.scope(service.oneshot(request)));
    tokio::task::yield_now().await;
    token.cancel_with("all of it");
    let response = response.await.unwrap().unwrap();
    assert_eq!(response.status().as_u16(), 499);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "all of it\n");
}

/// On one connection: a stream that is reset is one client that leaves.
#[tokio::test]
async fn streams_of_http_2_are_requests_each() {
    let (log, mut logged) = log();
    let router = working(log).route("/short", get(async || "short"));
    let mut server = Server::draining(CancelLayer::new(), router, Duration::ZERO, FOR_EVER).await;
    let stream = TcpStream::connect(server.address).await.unwrap();
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let address = server.address;
    let request = |path: &str| {
        let uri = format!("http://{address}{path}");
        Request::get(uri).body(Empty::<Bytes>::new()).unwrap()
    };
    let leaves = tokio::spawn(client.send_request(request("/")));
    assert_eq!(logged.next().await, "working");
    let short = client.send_request(request("/short")).await.unwrap();
    assert_eq!(short.into_body().collect().await.unwrap().to_bytes(), "short");
    assert_eq!(server.end().await.path(), "/short");
    leaves.abort();
    assert_eq!(
        logged.next().await,
        "dropped before it finished (scope \"GET /\"): the client has left"
    );
    assert!(server.end().await.has_client_left());

    let stays = client.send_request(request("/"));
    let stays = tokio::spawn(stays);
    assert_eq!(logged.next().await, "working");
    server.stop();
    let response = stays.await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        response.into_body().collect().await.unwrap().to_bytes(),
        "shutting down\n"
    );
    drop(client);
    assert_eq!(server.drained.await.unwrap().cancelled(), 1);
    connection.await.unwrap().unwrap();
}
