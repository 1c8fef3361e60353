//! Budgets from hop to hop, under a clock that stands still while there is something to do: the numbers are exact.

use std::time::Duration;

use cancelable::{Scope, StatusTable};
use cancelable_tonic::{CallError, ClientLayer, ServerLayer};
use tokio::time::Instant;
use tonic::{Code, Request, Status};
use tower::Layer as _;

use crate::proto::{Number, PrimesClient};
use crate::support::{Local, Script, all, endless, millis_left};

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    let scope = Scope::new().timeout(limit);
    let result: Result<T, CallError> = scope.run(async { Ok(call.await?) }).await;
    result.map_err(Status::from)
}

/// <https://github.com/grpc/grpc-rust/issues/2316>: nobody is to write it, so nobody forgets it.
/// <https://github.com/grpc/grpc-java/issues/1205>: and it goes on from service to service.
#[tokio::test(start_paused = true)]
async fn the_budget_shrinks_from_hop_to_hop() {
    let last = Local::start(ServerLayer::new(), &Script::asked()).scoped();
    let middle = Script::new().count(move |_| {
        let mut last = last.clone();
        async move {
            let mine = millis_left();
            let theirs = last.count(Number::from(0)).await?.into_inner().value;
            Ok(mine * 10_000 + theirs)
        }
    });
    let mut client = Local::start(ServerLayer::new(), &middle).scoped();
    let left = within(Duration::from_secs(1), client.count(Number::from(0)))
        .await
        .unwrap();
    // 1000 ms; at each hop 5 ms are the client's margin, and 5 the server's head start.
    assert_eq!(left.into_inner().value, 990_0980);

    // Without a deadline, none is sent: https://github.com/grpc/grpc/issues/26236.
    assert_eq!(client.count(Number::from(0)).await.unwrap().into_inner().value, 0);
}

#[tokio::test(start_paused = true)]
async fn margin_and_head_start_are_as_set() {
    let layer = ServerLayer::new().head_start(Duration::from_millis(50));
    let channel = Local::start(layer, &Script::asked()).channel;
    let margin = ClientLayer::new().margin(Duration::from_millis(100));
    let mut client = PrimesClient::new(margin.layer(channel));
    let mut left = async |millis| {
        let left = within(Duration::from_millis(millis), client.count(Number::from(0))).await;
        left.map(|left| left.into_inner().value)
    };
    assert_eq!(left(1_100).await.unwrap(), 950);
    assert_eq!(left(200).await.unwrap(), 90, "a tenth at most");
    assert_eq!(
        left(100).await.unwrap_err().code(),
        Code::DeadlineExceeded,
        "nothing but the margin"
    );
}

#[tokio::test(start_paused = true)]
async fn a_shorter_limit_of_the_call_itself_stays() {
    let mut client = Local::start(ServerLayer::new(), &Script::asked()).scoped();
    for (own, left) in [(100, 95), (5_000, 990)] {
        let mut request = Request::new(Number::from(0));
        request.set_timeout(Duration::from_millis(own));
        let answer = within(Duration::from_secs(1), client.count(request)).await.unwrap();
        assert_eq!(answer.into_inner().value, left);
    }
}

/// Tonic's timers, at both ends, are set to the same moment, and would say CANCELLED.
#[tokio::test(start_paused = true)]
async fn the_scope_comes_before_tonics_own_timers() {
    let mut client = Local::start(ServerLayer::new(), &Script::pending()).client();
    let begun = Instant::now();
    let mut request = Request::new(Number::from(0));
    request.set_timeout(Duration::from_secs(1));
    let status = client.count(request).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(
        status.message(),
        "timed out after 995ms (scope \"primes.Primes/Count\")"
    );
    let waited = begun.elapsed().as_millis();
    assert!((995..1_000).contains(&waited), "{waited}");
}

/// A server that knows nothing of scopes, and one that says nothing at all: the channel's timer has the word.
#[tokio::test(start_paused = true)]
async fn with_any_server_it_is_deadline_exceeded() {
    let mut client = Local::start(None, &Script::pending()).scoped();
    let status = within(Duration::from_secs(1), client.count(Number::from(0)))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");

    // Tonic alone: https://github.com/grpc/grpc-rust/pull/1826.
    let mut request = Request::new(Number::from(0));
    request.set_timeout(Duration::from_secs(1));
    let mut client = Local::start(None, &Script::pending()).client();
    let status = client.count(request).await.unwrap_err();
    assert_eq!(
        status.code(),
        Code::Cancelled,
        "if this is no longer so, the documentation is to say so"
    );
}

/// And of a stream, of which no timer of tonic's knows.
#[tokio::test(start_paused = true)]
async fn a_stream_ends_at_the_client_whatever_the_server_does() {
    let script = Script::new().list(async |_| Ok(endless([2, 3])));
    let mut client = Local::start(None, &script).scoped();
    let begun = Instant::now();
    let reading = async { Ok(all(client.list(Number::from(0)).await?.into_inner()).await) };
    let (received, end) = within(Duration::from_secs(1), reading).await.unwrap();
    let status = end.unwrap_err();
    assert_eq!((received, status.code()), (vec![2, 3], Code::DeadlineExceeded));
    assert_eq!(begun.elapsed().as_millis(), 1_000);
    assert!(cancelable_tonic::cancelled(&status).unwrap().is_timeout());
}

#[tokio::test(start_paused = true)]
async fn a_client_may_have_other_codes() {
    let table = StatusTable::DEFAULT.grpc(cancelable::ReasonKind::Manual, Code::Aborted as u8);
    let channel = Local::start(None, &Script::pending()).channel;
    let mut client = PrimesClient::new(ClientLayer::new().statuses(table).layer(channel));
    let token = cancelable::CancellationToken::new();
    let (status, ()) = tokio::join!(token.scope(client.count(Number::from(0))), async { token.cancel() });
    assert_eq!(status.unwrap_err().code(), Code::Aborted);
}
