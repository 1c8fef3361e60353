//! Clients that leave.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use cancelable::{Cancelled, ReasonKind, cancelable, shield};
use cancelable_tower::{CancelLayer, CancelledResponse, OnDisconnect, Outcome};
use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::support::{FOR_EVER, Log, Once, Server, channel, log, worker};

const LEFT: &str = "dropped before it finished (scope \"GET /\"): the client has left";

/// Runs a worker, which stops with the request.
fn working(log: Log) -> Router {
    let handler = async move || -> Result<&'static str, CancelledResponse> {
        worker(&log).await.unwrap()?;
        Ok("done")
    };
    Router::new().route("/work", get(handler))
}

#[tokio::test]
async fn a_client_that_leaves_stops_its_worker() {
    let (log, mut logged) = log();
    let (layer, line) = (CancelLayer::new(), line!());
    let mut server = Server::start(layer, working(log)).await;
    let client = server.get("/work?secret").await;
    assert_eq!(logged.next().await, "working");
    assert_eq!(server.requests.len(), 1);
    drop(client);
    assert_eq!(logged.next().await, LEFT.replace("GET /", "GET /work"));
    let end = server.end().await;
    assert_eq!(
        (end.outcome(), end.status(), end.has_client_left()),
        (Outcome::Cancelled, None, true)
    );
    assert_eq!(end.reason().unwrap().kind(), ReasonKind::Dropped);
    assert_eq!(
        end.requested_at().map(|at| (at.file(), at.line())),
        Some((file!(), line))
    );
    assert!(end.noticed_at().is_none(), "the handler was dropped");
    assert_eq!(
        (end.method().as_str(), end.path(), end.name()),
        ("GET", "/work", "GET /work")
    );
    assert!(server.requests.is_empty());
}

/// Cleans up in async code.
#[cancelable]
async fn careful(log: Log) -> Result<&'static str, CancelledResponse> {
    log.say("begun");
    #[cancelable(skip)]
    let waited = wait().await;
    shield(async {
        yield_now().await;
        log.say("cleaned up");
    })
    .await;
    Ok(waited.map(|()| "done")?)
}

#[cancelable]
async fn wait() -> Result<(), Cancelled> {
    pending().await
}

#[tokio::test]
async fn a_cancelled_handler_cleans_up_before_it_ends() {
    let (log, mut logged) = log();
    let router = Router::new().route("/", get(move || careful(log)));
    let mut server = Server::start(CancelLayer::new().on_disconnect(OnDisconnect::Cancel), router).await;
    let client = server.get("/").await;
    assert_eq!(logged.next().await, "begun");
    drop(client);
    assert_eq!(logged.next().await, "cleaned up");
    let end = server.end().await;
    assert_eq!(end.outcome(), Outcome::Cancelled);
    assert_eq!(end.reason().unwrap().to_string(), LEFT);
    assert_eq!(
        end.noticed_at().map(|at| at.file()),
        Some(file!()),
        "the handler's own line"
    );
    assert_eq!(end.status().map(|status| status.as_u16()), Some(499), "to nobody");
}

#[tokio::test]
async fn a_handler_that_does_not_end_is_dropped_after_its_grace() {
    let (log, mut logged) = log();
    let handler = async move || {
        log.say("begun");
        shield(pending::<()>()).await;
    };
    let layer = CancelLayer::new()
        .on_disconnect(OnDisconnect::Cancel)
        .grace(Duration::ZERO);
    let mut server = Server::start(layer, Router::new().route("/", get(handler))).await;
    let client = server.get("/").await;
    assert_eq!(logged.next().await, "begun");
    drop(client);
    let end = server.end().await;
    assert!(end.cancelled().unwrap().was_forced());
}

#[tokio::test]
async fn a_client_that_leaves_in_the_middle_of_a_body_cancels_what_feeds_it() {
    for policy in [OnDisconnect::Drop, OnDisconnect::Cancel] {
        let (log, mut logged) = log();
        // It stays open: the body does not end by itself.
        let (sender, stream) = channel();
        sender.send(Bytes::from("first")).unwrap();
        let stream = Once::new(stream);
        let handler = async move || {
            let log = log.clone();
            // It goes on as long as the body, not the handler.
            cancelable::tokio::spawn_blocking(move || {
                let worked = crate::support::work();
                log.say(worked.unwrap_err().reason());
            });
            Body::from_stream(stream.take())
        };
        let layer = CancelLayer::new().on_disconnect(policy);
        let mut server = Server::start(layer, Router::new().route("/", get(handler))).await;
        let mut client = server.get("/").await;
        client.until("first").await;
        server.no_end();
        logged.nothing();
        drop(client);
        // A server hears of it when it has something to read, or to write; here it reads.
        assert_eq!(logged.next().await, LEFT);
        let end = server.end().await;
        assert_eq!((end.outcome(), end.has_client_left()), (Outcome::Cancelled, true));
        assert_eq!(end.status().map(|status| status.as_u16()), Some(200));
        drop(sender);
    }
}

#[tokio::test]
async fn what_is_detached_goes_on_to_its_end() {
    let (log, mut logged) = log();
    let gate = Arc::new(Notify::new());
    let handler = {
        let gate = Arc::clone(&gate);
        async move || {
            log.say("begun");
            gate.notified().await;
            log.say(format!(
                "{:?}",
                cancelable::current().reason().map(|reason| reason.kind())
            ));
            "done"
        }
    };
    let layer = CancelLayer::new().on_disconnect_by(|request| match request.uri.path() {
        "/orders" => OnDisconnect::Detach,
        _ => OnDisconnect::Drop,
    });
    let router = Router::new()
        .route("/orders", get(handler.clone()))
        .route("/other", get(handler));
    let mut server = Server::start(layer, router).await;
    let client = server.get("/orders").await;
    assert_eq!(logged.next().await, "begun");
    drop(client);
    server.settled().await;
    assert_eq!(server.requests.len(), 1);
    let other = server.get("/other").await;
    assert_eq!(logged.next().await, "begun");
    drop(other);
    assert_eq!((server.end().await.path(), server.requests.len()), ("/other", 1));
    gate.notify_one();
    assert_eq!(logged.next().await, "None");
    let end = server.end().await;
    assert_eq!((end.outcome(), end.has_client_left()), (Outcome::Completed, true));
    assert!(end.reason().is_none());
}

#[tokio::test]
async fn a_detached_body_is_read_to_its_end() {
    let (sender, stream) = channel();
    let stream = Once::new(stream);
    let handler = async move || Body::from_stream(stream.take());
    let layer = CancelLayer::new().on_disconnect(OnDisconnect::Detach);
    let mut server = Server::start(layer, Router::new().route("/", get(handler))).await;
    let mut client = server.get("/").await;
    sender.send("first".into()).unwrap();
    client.until("first").await;
    drop(client);
    // Nobody wants them, but whoever sends them is not to be held up.
    for _ in 0..100 {
        sender.send("more".into()).unwrap();
    }
    server.no_end();
    drop(sender);
    let end = server.end().await;
    assert_eq!(end.outcome(), Outcome::Completed);
}

/// Keeps a request for whoever sends the same `key`.
fn by_key(grace: Duration) -> CancelLayer {
    CancelLayer::new().on_disconnect_by(move |request| match request.headers.get("key") {
        Some(key) => OnDisconnect::Wait {
            key: key.to_str().unwrap().to_owned(),
            grace,
        },
        None => OnDisconnect::Drop,
    })
}

/// Says that it has begun, waits for the gate, and numbers its answers.
fn gated(log: Log, gate: Arc<Notify>) -> Router {
    let handler = async move || {
        log.say("begun");
        gate.notified().await;
        log.say("answered");
        "the answer"
    };
    Router::new().route("/", get(handler))
}

#[tokio::test]
async fn a_client_that_comes_back_gets_the_answer() {
    for is_answered_meanwhile in [false, true] {
        let (log, mut logged) = log();
        let gate = Arc::new(Notify::new());
        let mut server = Server::start(by_key(FOR_EVER), gated(log, Arc::clone(&gate))).await;
        let client = server.get_with("/", "Key: a\r\n").await;
        assert_eq!(logged.next().await, "begun");
        drop(client);
        server.settled().await;
        if is_answered_meanwhile {
            gate.notify_one();
            assert_eq!(logged.next().await, "answered");
        }
        let again = server.get_with("/", "Key: a\r\n").await;
        if !is_answered_meanwhile {
            gate.notify_one();
        }
        let answer = again.answer().await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "the answer"));
        if !is_answered_meanwhile {
            assert_eq!(logged.next().await, "answered");
        }
        logged.nothing();
        let end = server.end().await;
        assert_eq!((end.outcome(), end.has_client_left()), (Outcome::Completed, false));
        server.no_end();
    }
}

#[tokio::test]
async fn who_comes_back_may_leave_again() {
    let (log, mut logged) = log();
    let gate = Arc::new(Notify::new());
    let mut server = Server::start(by_key(FOR_EVER), gated(log, Arc::clone(&gate))).await;
    let client = server.get_with("/", "Key: a\r\n").await;
    assert_eq!(logged.next().await, "begun");
    drop(client);
    for _ in 0..3 {
        server.settled().await;
        drop(server.get_with("/", "Key: a\r\n").await);
    }
    server.settled().await;
    gate.notify_one();
    assert_eq!(
        server.get_with("/", "Key: a\r\n").await.answer().await.body,
        "the answer"
    );
}

#[tokio::test]
async fn who_does_not_come_back_is_cancelled() {
    let (log, mut logged) = log();
    let router = Router::new().route("/", get(move || careful(log)));
    let mut server = Server::start(by_key(Duration::ZERO), router).await;
    let client = server.get_with("/", "Key: a\r\n").await;
    assert_eq!(logged.next().await, "begun");
    drop(client);
    assert_eq!(logged.next().await, "cleaned up");
    assert_eq!(server.end().await.reason().unwrap().to_string(), LEFT);
    // The key is free again.
    let client = server.get_with("/", "Key: a\r\n").await;
    assert_eq!(logged.next().await, "begun");
    drop(client);
    assert_eq!(logged.next().await, "cleaned up");
}

#[tokio::test]
async fn another_key_is_another_request() {
    let (log, mut logged) = log();
    let gate = Arc::new(Notify::new());
    let mut server = Server::start(by_key(FOR_EVER), gated(log, Arc::clone(&gate))).await;
    let first = server.get_with("/", "Key: a\r\n").await;
    assert_eq!(logged.next().await, "begun");
    drop(first);
    server.settled().await;
    let other = server.get_with("/", "Key: b\r\n").await;
    assert_eq!(logged.next().await, "begun");
    gate.notify_waiters();
    assert_eq!(other.answer().await.status, 200);
    assert!(!server.end().await.has_client_left());
}

#[tokio::test]
async fn a_body_that_was_begun_is_not_kept() {
    let (sender, stream) = channel();
    let stream = Once::new(stream);
    let handler = async move || Body::from_stream(stream.take());
    let mut server = Server::start(by_key(FOR_EVER), Router::new().route("/", get(handler))).await;
    let mut client = server.get_with("/", "Key: a\r\n").await;
    sender.send("first".into()).unwrap();
    client.until("first").await;
    drop(client);
    assert_eq!(server.end().await.reason().unwrap().to_string(), LEFT);
}
