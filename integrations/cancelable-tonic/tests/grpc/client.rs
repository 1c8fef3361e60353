//! Calls that belong to the scope of their caller.

use std::time::Duration;

use cancelable::{CancelReason, CancellationToken, ReasonKind, Scope, cancelable, guard};
use cancelable_tonic::{CallError, ClientLayer, Outcome, ServerLayer, cancelled};
use tokio::net::TcpListener;
use tonic::{Code, Status};
use tower::Layer as _;

use crate::proto::{Number, PrimesClient};
use crate::support::{Script, Server, all, channel, endless, log, until, worker};

#[tokio::test]
async fn without_time_nothing_is_sent() {
    let script = Script::asked();
    let mut server = Server::start(ServerLayer::new(), &script).await;
    let mut client = server.scoped();
    let left: Result<u64, Status> = Scope::new()
        .timeout(Duration::from_millis(4))
        .run(async {
            let answer = client.count(Number::from(0)).await?;
            Ok::<_, CallError>(answer.into_inner().value)
        })
        .await
        .map_err(Status::from);
    let status = left.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");

    // So it is when the scope is cancelled already; and the reason is kept.
    let token = CancellationToken::new();
    token.cancel_with(CancelReason::shutdown());
    let (layer, line) = (ClientLayer::new(), line!());
    let mut client = PrimesClient::new(layer.layer(server.endpoint().connect_lazy()));
    let status = token.scope(client.count(Number::from(0))).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "shutting down"));
    let cancelled = cancelled(&status).unwrap();
    assert_eq!(cancelled.kind(), ReasonKind::Shutdown);
    assert_eq!(
        (cancelled.observed_at().file(), cancelled.observed_at().line()),
        (file!(), line)
    );
    assert_eq!(cancelled.scope_path().to_string(), "primes.Primes/Count");

    assert_eq!(script.called(), 0);
    assert!(server.ends.try_recv().is_err());
    assert!(client.count(Number::from(0)).await.is_ok());
}

#[tokio::test]
async fn a_cancelled_call_stops_the_server() {
    let (log, mut logged) = log();
    let script = Script::new().count(move |_| worker(log.clone()));
    let mut server = Server::start(ServerLayer::new(), &script).await;
    let mut client = server.scoped();
    let token = CancellationToken::new();
    let call = token.scope(client.count(Number::from(0)));
    let (status, ()) = tokio::join!(call, async {
        assert_eq!(logged.next().await, "working");
        token.cancel_with("not wanted any more");
    });
    let status = status.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Cancelled, "not wanted any more")
    );
    assert_eq!(
        cancelled(&status).unwrap().reason().message(),
        Some("not wanted any more")
    );
    let left = "dropped before it finished (scope \"primes.Primes/Count\"): the client has left";
    assert_eq!(logged.next().await, left);
    let end = server.end().await;
    assert!(end.has_client_left());
    assert_eq!(
        (end.outcome(), end.reason().unwrap().kind()),
        (Outcome::Cancelled, ReasonKind::Dropped)
    );
}

/// An annotated function, and a scope, are check points themselves: they need not wait for the call's future.
#[tokio::test]
async fn a_call_that_is_dropped_stops_the_server() {
    let mut server = Server::start(ServerLayer::new(), &Script::pending()).await;
    let script = server.scoped();
    let token = CancellationToken::new();
    let mut client = script.clone();
    let call = token.scope(async move { guard(client.count(Number::from(0))).await });
    let (result, ()) = tokio::join!(call, async {
        let requests = server.requests.clone();
        until("a call", || requests.len() == 1).await;
        token.cancel();
    });
    // Either is told first.
    match result {
        Err(cancelled) => assert_eq!(cancelled.kind(), ReasonKind::Manual),
        Ok(status) => assert_eq!(status.unwrap_err().code(), Code::Cancelled),
    }
    assert!(server.end().await.has_client_left());
}

/// <https://github.com/quickwit-oss/quickwit/issues/367>: who streams on behalf of one who has left.
#[tokio::test]
async fn a_stream_that_is_cancelled_or_dropped_stops_the_server() {
    let script = Script::new().list(async |_| Ok(endless([2, 3, 5])));
    let mut server = Server::start(ServerLayer::new(), &script).await;
    for is_dropped in [false, true] {
        let token = CancellationToken::new();
        let mut client = server.scoped();
        let mut numbers = token.scope(client.list(Number::from(0))).await.unwrap().into_inner();
        for n in [2, 3, 5] {
            assert_eq!(numbers.message().await.unwrap().unwrap().value, n);
        }
        if is_dropped {
            drop(numbers);
        } else {
            // It is read elsewhere, in no scope.
            let (end, _) = tokio::join!(all(numbers), async { token.cancel_with("enough") });
            let status = end.1.unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::Cancelled, "enough"));
            assert!(cancelled(&status).is_some());
        }
        let end = server.end().await;
        assert!(end.has_client_left());
        assert_eq!(end.reason().unwrap().kind(), ReasonKind::Dropped);
    }
}

/// What has been answered is not thrown away for a cancel that comes as well.
#[tokio::test]
async fn what_is_there_is_delivered() {
    let script = Script::asked().list(async |_| {
        let (sender, numbers) = channel();
        for n in 0..5 {
            sender.send(Ok(Number::from(n))).unwrap();
        }
        Ok(numbers)
    });
    let mut server = Server::start(ServerLayer::new(), &script).await;
    let token = CancellationToken::new();
    let mut client = server.scoped();
    let numbers = token.scope(client.list(Number::from(0))).await.unwrap().into_inner();
    // The server has sent all.
    assert_eq!(server.end().await.outcome(), Outcome::Completed);
    let mut other = server.client();
    other.count(Number::from(0)).await.unwrap();
    let (received, _) = {
        let mut numbers = numbers;
        let first = numbers.message().await.unwrap().unwrap().value;
        token.cancel();
        let (mut rest, end) = all(numbers).await;
        rest.insert(0, first);
        (rest, end)
    };
    assert_eq!(received, [0, 1, 2, 3, 4]);
}

/// A stream that has always something at hand, and a reader that does not look: it ends all the same.
#[tokio::test]
async fn a_stream_without_a_pause_ends_as_well() {
    let script = Script::new().list(async |_| {
        let numbers = futures::stream::repeat_with(|| Ok(Number::from(7)));
        Ok(Box::pin(numbers) as _)
    });
    let server = Server::start(ServerLayer::new(), &script).await;
    let token = CancellationToken::new();
    let mut client = server.scoped();
    let mut numbers = token.scope(client.list(Number::from(0))).await.unwrap().into_inner();
    numbers.message().await.unwrap().unwrap();
    token.cancel_with("enough");
    let (received, end) = all(numbers).await;
    let status = end.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Cancelled, "enough"));
    assert!(received.iter().all(|&n| n == 7));
}

/// <https://github.com/grpc/grpc-rust/issues/628>: nobody there is UNAVAILABLE, which may be tried again.
#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = PrimesClient::new(ClientLayer::new().layer(endpoint.connect_lazy()));
    let status = client.count(Number::from(0)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
}

/// A connection that breaks in the middle: of a call, of a stream (https://github.com/neondatabase/neon/pull/9268).
#[tokio::test]
async fn a_connection_that_breaks_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = PrimesClient::new(ClientLayer::new().layer(endpoint.connect_lazy()));
    // Takes the connection, and what is said, and goes.
    let breaking = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut preface = [0; 24];
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut preface)
            .await
            .unwrap();
    };
    let (status, ()) = tokio::join!(client.count(Number::from(0)), breaking);
    let status = status.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
}

#[cancelable]
async fn asked(
    client: &mut PrimesClient<cancelable_tonic::ClientService<tonic::transport::Channel>>,
) -> Result<u64, CallError> {
    Ok(client.count(Number::from(0)).await?.into_inner().value)
}

/// As a user writes it.
#[tokio::test]
async fn an_annotated_function_asks() {
    let server = Server::start(ServerLayer::new(), &Script::asked()).await;
    let mut client = server.scoped();
    let scope = Scope::new().timeout(Duration::from_secs(3_600));
    let left = scope.run(asked(&mut client)).await.unwrap();
    assert_eq!(left.div_ceil(60_000), 60);

    let server = Server::start(ServerLayer::new(), &Script::pending()).await;
    let mut client = server.scoped();
    let scope = Scope::new().name("asking").timeout(Duration::from_millis(50));
    let error = scope.run(asked(&mut client)).await.unwrap_err();
    // By the server, by the channel, or here: whoever is first.
    assert_eq!(Status::from(error).code(), Code::DeadlineExceeded);
}
