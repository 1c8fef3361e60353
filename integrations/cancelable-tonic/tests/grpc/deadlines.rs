//! Time limits at the server.

use std::sync::atomic::Ordering;
use std::time::Duration;

use cancelable::{ReasonKind, StatusTable, cancelable, sleep};
use cancelable_tonic::{BadHeader, CallError, Outcome, ServerLayer};
use tonic::{Code, Request, Status};
use tower::Layer as _;

use crate::proto::{Number, PrimesClient};
use crate::support::{FOR_EVER, Local, Script, Server, all, endless, log, with_timeout, worker};

/// Notices by itself, at its own line.
#[cancelable]
async fn asleep() -> Result<u64, CallError> {
    sleep(FOR_EVER).await?;
    Ok(0)
}

/// <https://github.com/grpc/grpc-rust/issues/75> asks which it is; <https://github.com/engula/engula/pull/1003> is who has to know.
#[tokio::test]
async fn the_end_of_the_time_is_deadline_exceeded_by_the_scope_or_by_the_handler() {
    let (layer, line) = (ServerLayer::new().max_timeout(Duration::from_millis(30)), line!());
    let handler = async |request: Request<Number>| match request.into_inner().value {
        0 => std::future::pending().await,
        _ => Ok(asleep().await?),
    };
    let mut server = Server::start(layer, &Script::new().count(handler)).await;
    let mut client = server.client();
    for value in [0, 1] {
        let status = client.count(with_timeout(value, "1H")).await.unwrap_err();
        let text = "timed out after 30ms (scope \"primes.Primes/Count\")";
        assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, text));
        let end = server.end().await;
        assert_eq!(
            (end.name(), end.path()),
            ("primes.Primes/Count", "/primes.Primes/Count")
        );
        assert_eq!((end.outcome(), end.grpc_status()), (Outcome::Cancelled, Some(4)));
        assert_eq!(
            end.requested_at().map(|at| (at.file(), at.line())),
            Some((file!(), line))
        );
        assert!(end.noticed_at().is_some());
        assert!(end.latency() >= Duration::from_millis(30));
        assert!(
            end.to_string().contains(" status=200 grpc_status=4 outcome=cancelled "),
            "{end}"
        );
    }
}

/// <https://github.com/foundry-rs/foundry/pull/12968>: what blocks is to stop, too.
#[tokio::test]
async fn a_worker_stops_when_the_time_is_up() {
    let (log, mut logged) = log();
    let script = Script::new().count(move |_| worker(log.clone()));
    let server = Server::start(ServerLayer::new().timeout(Duration::from_millis(500)), &script).await;
    let status = server.client().count(Number::from(0)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(logged.next().await, "working");
    assert_eq!(
        logged.next().await,
        "timed out after 500ms (scope \"primes.Primes/Count\")"
    );
}

#[tokio::test]
async fn the_handler_sees_what_is_left_which_is_capped() {
    let minutes = |n: u64| Duration::from_secs(n * 60);
    let left = async |layer: ServerLayer, timeout: &str| {
        let server = Server::start(layer, &Script::asked()).await;
        let request = match timeout {
            "" => Request::new(Number::from(0)),
            timeout => with_timeout(0, timeout),
        };
        // In minutes, and a little is gone.
        server
            .client()
            .count(request)
            .await
            .unwrap()
            .into_inner()
            .value
            .div_ceil(60_000)
    };
    let layer = ServerLayer::new();
    assert_eq!(left(layer.clone(), "").await, 0, "no limit");
    assert_eq!(left(layer.clone(), "2H").await, 120);
    assert_eq!(left(layer.clone().timeout(minutes(5)), "").await, 5);
    assert_eq!(left(layer.clone().timeout(minutes(5)), "180S").await, 3);
    assert_eq!(left(layer.clone().timeout(minutes(5)), "2H").await, 5);
    let layer = layer.timeout(minutes(5)).max_timeout(minutes(30));
    assert_eq!(left(layer.clone(), "20M").await, 20);
    assert_eq!(left(layer.clone(), "99999999H").await, 30);
}

#[tokio::test]
async fn a_bad_header_is_refused_or_ignored() {
    let script = Script::asked();
    let mut server = Server::start(ServerLayer::new(), &script).await;
    let mut client = server.bare().await;
    for bad in [
        "soon",
        "",
        "123456789n",
        "-1S",
        "+1S",
        "1 S",
        "1",
        "S",
        "1s",
        "1.5S",
        "99999999999999999999H",
    ] {
        let status = client.count(with_timeout(0, bad)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{bad:?}");
        assert!(status.message().starts_with("the header `grpc-timeout`: "), "{status}");
        let end = server.end().await;
        assert_eq!((end.outcome(), end.grpc_status()), (Outcome::Refused, Some(3)));
    }
    assert_eq!(script.called(), 0);

    let layer = ServerLayer::new().bad_header(BadHeader::Ignore);
    let server = Server::start(layer, &script).await;
    let left = server.bare().await.count(with_timeout(0, "soon")).await.unwrap();
    assert_eq!(left.into_inner().value, 0, "no limit");
}

#[tokio::test]
async fn a_call_without_time_is_refused_unrun() {
    let script = Script::asked();
    let mut server = Server::start(ServerLayer::new(), &script).await;
    let mut client = server.bare().await;
    for zero in ["0n", "0u", "0m", "0S", "0M", "00000000H"] {
        let status = client.count(with_timeout(0, zero)).await.unwrap_err();
        let text = "timed out at once (scope \"primes.Primes/Count\")";
        assert_eq!(
            (status.code(), status.message()),
            (Code::DeadlineExceeded, text),
            "{zero}"
        );
        assert_eq!(server.end().await.outcome(), Outcome::Cancelled);
    }
    assert_eq!(script.called(), 0, "not even called");
    assert!(client.count(Number::from(0)).await.is_ok());
    assert_eq!(script.called(), 1);
}

#[tokio::test]
async fn the_program_may_have_other_codes() {
    let table = StatusTable::DEFAULT.grpc(ReasonKind::Timeout, Code::ResourceExhausted as u8);
    let layer = ServerLayer::new().timeout(Duration::from_millis(5)).statuses(table);
    // By the handler, which knows nothing of the table; and by the scope.
    let handler = async |request: Request<Number>| match request.into_inner().value {
        0 => std::future::pending().await,
        _ => Ok(asleep().await?),
    };
    let mut server = Server::start(layer, &Script::new().count(handler)).await;
    for value in [0, 1] {
        let status = server.client().count(Number::from(value)).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{value}");
        assert!(status.message().starts_with("timed out after 5ms"), "{status}");
        assert_eq!(server.end().await.grpc_status(), Some(8));
    }
}

/// What a handler answers that has nothing to do with a cancel is as it was.
#[tokio::test]
async fn other_answers_are_not_touched() {
    let script = Script::new().count(async |request: Request<Number>| match request.into_inner().value {
        0 => {
            let mut status = Status::with_details(Code::NotFound, "no zero", vec![1, 2, 3].into());
            status.metadata_mut().insert("hint", "try-one".parse().unwrap());
            Err(status)
        }
        n => Ok(n + 1),
    });
    let mut server = Server::start(ServerLayer::new().timeout(Duration::from_secs(600)), &script).await;
    let mut client = server.client();
    assert_eq!(client.count(Number::from(7)).await.unwrap().into_inner().value, 8);
    assert_eq!(server.end().await.grpc_status(), Some(0));
    let status = client.count(Number::from(0)).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message(), status.details()),
        (Code::NotFound, "no zero", [1, 2, 3].as_slice())
    );
    assert_eq!(status.metadata().get("hint").unwrap(), "try-one");
    let end = server.end().await;
    assert_eq!((end.outcome(), end.grpc_status()), (Outcome::Completed, Some(5)));
    assert!(end.reason().is_none());
}

/// The layer goes round one service as well, and without a network.
#[tokio::test]
async fn one_service_alone_may_have_the_layer() {
    let script = Script::pending();
    let layer = ServerLayer::new();
    let with = layer.clone().timeout(Duration::from_millis(5)).layer(script.server());
    let _ = tonic::transport::Server::builder().add_service(with.clone());
    let status = PrimesClient::new(with).count(Number::from(0)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    let without = layer.layer(Script::asked().server());
    assert_eq!(
        PrimesClient::new(without)
            .count(Number::from(0))
            .await
            .unwrap()
            .into_inner()
            .value,
        0
    );
}

/// <https://github.com/MystenLabs/hashi/pull/810>: tonic's limits end with the head of an answer.
#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_a_status_and_the_connection_goes_on() {
    let script = Script::asked().list(async |_| Ok(endless([2, 3, 5])));
    let layer = ServerLayer::new().max_timeout(Duration::from_millis(40));
    let mut server = Local::start(layer, &script);
    let mut client = server.client();
    let (received, end) = all(client.list(with_timeout(0, "1H")).await.unwrap().into_inner()).await;
    let status = end.unwrap_err();
    assert_eq!(received, [2, 3, 5]);
    let text = "timed out after 40ms (scope \"primes.Primes/List\")";
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, text));
    let end = server.end().await;
    assert_eq!((end.outcome(), end.grpc_status()), (Outcome::Cancelled, Some(4)));
    assert!(client.count(Number::from(0)).await.is_ok());
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

/// A stream whose own code notices says so itself; what it has said before is received.
#[tokio::test(start_paused = true)]
async fn a_stream_may_notice_by_itself() {
    let table = StatusTable::DEFAULT.grpc(ReasonKind::Timeout, Code::Aborted as u8);
    let script = Script::new().list(async |_| {
        let numbers = futures::stream::unfold(0, async |n| match n {
            0 => Some((Ok(Number::from(2)), 1)),
            1 => Some((asleep().await.map(Number::from).map_err(Status::from), 2)),
            _ => None,
        });
        Ok(Box::pin(numbers) as _)
    });
    for (layer, code) in [
        (ServerLayer::new(), Code::DeadlineExceeded),
        (ServerLayer::new().statuses(table), Code::Aborted),
    ] {
        let mut server = Local::start(layer.timeout(Duration::from_millis(30)), &script);
        let (received, end) = all(server.client().list(Number::from(0)).await.unwrap().into_inner()).await;
        let status = end.unwrap_err();
        assert_eq!(received, [2]);
        assert_eq!(
            (status.code(), status.message()),
            (code, "timed out after 30ms (scope \"primes.Primes/List\")")
        );
        assert_eq!(server.end().await.grpc_status(), Some(code as u8));
    }
}
