//! Clients that leave.

use std::sync::Arc;

use cancelable::{Cancelled, ReasonKind, cancelable, shield};
use cancelable_tonic::{CallError, OnDisconnect, Outcome, RequestToken, ServerLayer};
use futures::StreamExt as _;
use tokio::sync::Mutex;
use tokio::sync::mpsc::unbounded_channel;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Request, Status, Streaming};

use crate::proto::Number;
use crate::support::{Log, Script, Server, Told, endless, log, worker};

const LEFT: &str = "dropped before it finished (scope \"primes.Primes/Count\"): the client has left";

/// <https://github.com/grpc/grpc-rust/issues/1491>: a handler that has a lock when its client leaves.
#[tokio::test]
async fn a_handler_is_dropped_and_its_locks_with_it() {
    let (log, mut logged) = log();
    let lock = Arc::new(Mutex::new(()));
    let script = Script::new().count(move |_| {
        let (lock, log) = (Arc::clone(&lock), log.clone());
        async move {
            let _locked = lock.lock().await;
            let _told = Told(log.clone(), "dropped");
            log.say("locked");
            worker(log).await
        }
    });
    let mut server = Server::start(ServerLayer::new(), &script).await;
    for _ in 0..3 {
        // Tonic's client, whose future is dropped.
        let mut client = server.client();
        let call = tokio::spawn(async move { client.count(Number::from(0)).await });
        assert_eq!(logged.next().await, "locked");
        assert_eq!(logged.next().await, "working");
        call.abort();
        let mut said = [logged.next().await, logged.next().await];
        said.sort();
        assert_eq!(said, ["dropped", LEFT]);
        let end = server.end().await;
        assert!(end.has_client_left());
        assert_eq!((end.outcome(), end.grpc_status()), (Outcome::Cancelled, None));
    }
    logged.nothing();
}

#[cancelable]
async fn pay(log: &Log) -> Result<u64, CallError> {
    log.say("begun");
    let waited: Result<(), Cancelled> = shield(async {
        std::future::pending::<()>().await;
        Ok(())
    })
    .await;
    waited?;
    Ok(0)
}

/// <https://github.com/grpc/grpc-rust/pull/1477>: a unary call that is to clean up when it is cancelled.
#[tokio::test]
async fn a_handler_may_clean_up_first() {
    let (log, mut logged) = log();
    let script = Script::new().count(move |_| {
        let log = log.clone();
        async move {
            let paid = cancelable::guard(std::future::pending::<()>()).await;
            let cancelled = paid.unwrap_err();
            // It is driven on: a clean-up may await.
            shield(tokio::task::yield_now()).await;
            log.say(cancelled.reason());
            Err(cancelable_tonic::status(cancelled))
        }
    });
    let layer = ServerLayer::new().on_disconnect(OnDisconnect::Cancel);
    let mut server = Server::start(layer, &script).await;
    let mut client = server.client();
    let requests = server.requests.clone();
    let call = tokio::spawn(async move { client.count(Number::from(0)).await });
    crate::support::until("a call", || requests.len() == 1 && script.called() == 1).await;
    call.abort();
    assert_eq!(logged.next().await, LEFT);
    let end = server.end().await;
    assert_eq!(
        (end.outcome(), end.reason().unwrap().kind()),
        (Outcome::Cancelled, ReasonKind::Dropped)
    );
    // What it would have got.
    assert_eq!(end.grpc_status(), Some(1));
    assert!(end.noticed_at().is_some_and(|at| at.file() == file!()), "{end}");
}

/// A shield that never ends, and a grace that does.
#[tokio::test]
async fn a_clean_up_has_its_time() {
    let (log, mut logged) = log();
    let script = Script::new().count(move |_| {
        let log = log.clone();
        async move {
            let _told = Told(log.clone(), "dropped");
            Ok(pay(&log).await?)
        }
    });
    let layer = ServerLayer::new()
        .on_disconnect(OnDisconnect::Cancel)
        .grace(std::time::Duration::from_millis(5));
    let mut server = Server::start(layer, &script).await;
    let mut client = server.client();
    let call = tokio::spawn(async move { client.count(Number::from(0)).await });
    assert_eq!(logged.next().await, "begun");
    call.abort();
    assert_eq!(logged.next().await, "dropped");
    assert_eq!(server.end().await.outcome(), Outcome::Cancelled);
    assert!(server.requests.is_empty());
}

/// As it is written in all tutorials: a stream, read until it says that there is no more, and then a commit.
async fn upload(mut numbers: Streaming<Number>, log: Log) -> Result<u64, Status> {
    let _told = Told(log.clone(), "dropped");
    let mut sum = 0;
    loop {
        match numbers.message().await {
            Ok(Some(number)) => {
                log.say(number.value);
                sum += number.value;
            }
            Ok(None) => {
                log.say("committed");
                return Ok(sum);
            }
            Err(status) => {
                log.say(format!("{:?}", status.code()));
                return Err(status);
            }
        }
    }
}

/// Tonic's reader takes a stream that was broken off for one that is at its end.
#[tokio::test]
async fn half_an_upload_is_not_taken_for_a_whole() {
    let (log, mut logged) = log();
    let script =
        Script::new().sum(move |request: Request<Streaming<Number>>| upload(request.into_inner(), log.clone()));
    let mut server = Server::start(ServerLayer::new(), &script).await;
    let mut client = server.client();
    let whole = futures::stream::iter([1, 2, 3]).map(Number::from);
    assert_eq!(client.sum(whole).await.unwrap().into_inner().value, 6);
    for said in ["1", "2", "3", "committed", "dropped"] {
        assert_eq!(logged.next().await, said);
    }
    assert_eq!(server.end().await.outcome(), Outcome::Completed);

    let (sender, numbers) = unbounded_channel();
    let call = tokio::spawn(async move { client.sum(UnboundedReceiverStream::new(numbers)).await });
    sender.send(Number::from(1)).unwrap();
    assert_eq!(logged.next().await, "1");
    // (Its stream has not been at its end.)
    call.abort();
    loop {
        let said = logged.next().await;
        assert_ne!(said, "committed");
        if said == "dropped" {
            break;
        }
        assert_eq!(said, format!("{:?}", Code::Aborted));
    }
    // By the handler, or by the server: whoever is asked first.
    let end = server.end().await;
    assert!(
        end.grpc_status() == Some(Code::Aborted as u8) || end.has_client_left(),
        "{end}"
    );
    drop(sender);
}

/// The client is there, but its scope is not: the same.
#[tokio::test]
async fn a_stream_that_nobody_reads_any_more_stops_what_feeds_it() {
    let (log, mut logged) = log();
    let script = Script::new().list(move |_| {
        let log = log.clone();
        async move {
            tokio::spawn(cancelable::CancelFutureExt::in_current_scope(async move {
                let _ = worker(log).await;
            }));
            Ok(endless([2]))
        }
    });
    let mut server = Server::start(ServerLayer::new(), &script).await;
    let mut numbers = server.client().list(Number::from(0)).await.unwrap().into_inner();
    assert_eq!(numbers.message().await.unwrap().unwrap().value, 2);
    assert_eq!(logged.next().await, "working");
    drop(numbers);
    assert_eq!(logged.next().await, LEFT.replace("Count", "List"));
    assert!(server.end().await.has_client_left());
}

#[tokio::test]
async fn a_handler_may_take_its_token() {
    let script = Script::new().count(async |request: Request<Number>| {
        let token = request.extensions().get::<RequestToken>().unwrap();
        assert_eq!(token.0, cancelable::current());
        token.cancel_with("not today");
        token.check().map_err(cancelable_tonic::status)?;
        Ok(0)
    });
    let server = Server::start(ServerLayer::new(), &script).await;
    let status = server.client().count(Number::from(0)).await.unwrap_err();
    let text = "not today (scope \"primes.Primes/Count\")";
    assert_eq!((status.code(), status.message()), (Code::Cancelled, text));
}
