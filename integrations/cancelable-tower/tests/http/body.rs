//! Responses' bodies, which belong to the request's scope.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use bytes::Bytes;
use cancelable::{Cancelled, ReasonKind, StreamEnd, StreamExt as _};
use cancelable_tower::{CancelLayer, CancelledResponse, Outcome};
use futures::StreamExt as _;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, Full, StreamBody};
use tokio::sync::mpsc::unbounded_channel;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use crate::support::{Once, Server, channel, log};

/// A response's body, without a server.
type Answer = Response<cancelable_tower::CancelBody<Bytes>>;

/// The response of a service that answers with this, and the events of its layer.
async fn answer_with<B>(
    layer: CancelLayer,
    request: Request<()>,
    response: Response<B>,
) -> (
    Answer,
    tokio::sync::mpsc::UnboundedReceiver<cancelable_tower::RequestEnd>,
)
where
    B: http_body::Body<Data = Bytes, Error = std::io::Error> + Send + 'static,
{
    let (ended, ends) = unbounded_channel();
    let layer = layer.on_end(move |end| ended.send(end.clone()).unwrap());
    let response = Once::new(response);
    let service = service_fn(move |_: Request<()>| {
        let response = response.take();
        async { Ok::<_, std::convert::Infallible>(response) }
    });
    let answer = layer.layer(service).oneshot(request).await.unwrap();
    (answer, ends)
}

fn whole(text: &'static str) -> impl http_body::Body<Data = Bytes, Error = std::io::Error> {
    Full::new(Bytes::from(text)).map_err(|never| match never {})
}

/// A body of a known length, in these pieces.
fn in_pieces(texts: &'static [&'static str]) -> impl http_body::Body<Data = Bytes, Error = std::io::Error> {
    struct Pieces(&'static [&'static str]);

    impl http_body::Body for Pieces {
        type Data = Bytes;
        type Error = std::io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
            let Some((first, rest)) = self.0.split_first() else {
                return Poll::Ready(None);
            };
            self.0 = rest;
            Poll::Ready(Some(Ok(Frame::data(Bytes::from(*first)))))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(self.0.iter().map(|text| text.len() as u64).sum())
        }
    }

    Pieces(texts)
}

#[tokio::test]
async fn what_is_at_hand_as_a_whole_is_taken_with_the_answer() {
    let layer = CancelLayer::new();
    let requests = layer.all().clone();
    let (mut answer, mut ends) = answer_with(layer, Request::default(), Response::new(in_pieces(&["whole"]))).await;
    let end = ends.try_recv().unwrap();
    assert_eq!((end.outcome(), end.has_client_left()), (Outcome::Completed, false));
    assert!(end.reason().is_none() && requests.is_empty());
    let body = answer.body_mut();
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(5), false));
    let frame = body.frame().await.unwrap().unwrap();
    assert_eq!(frame.into_data().unwrap(), "whole");
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
    assert!(body.frame().await.is_none());
    drop(answer);
    assert!(ends.try_recv().is_err(), "it is told of once");
}

/// Nobody has noticed, and it has answered; but it was late.
#[tokio::test]
async fn who_answers_when_the_time_is_up_is_told_of_as_late() {
    let (ended, mut ends) = unbounded_channel();
    let layer = CancelLayer::new()
        .timeout(Duration::from_millis(5))
        .on_end(move |end| ended.send(end.clone()).unwrap());
    let service = service_fn(async |_: Request<()>| {
        while cancelable::remaining().is_some_and(|left| !left.is_zero()) {}
        Ok::<_, std::convert::Infallible>(Response::new(in_pieces(&["late"])))
    });
    let answer = layer.layer(service).oneshot(Request::default()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let end = ends.try_recv().unwrap();
    assert_eq!(end.outcome(), Outcome::Completed);
    assert_eq!(end.reason().unwrap().kind(), ReasonKind::Timeout);
}

#[tokio::test]
async fn what_comes_in_pieces_ends_with_the_last_of_them() {
    let layer = CancelLayer::new();
    let requests = layer.all().clone();
    let (mut answer, mut ends) =
        answer_with(layer, Request::default(), Response::new(in_pieces(&["two ", "pieces"]))).await;
    for (text, left) in [("two ", 6), ("pieces", 0)] {
        assert!(ends.try_recv().is_err() && requests.len() == 1);
        let body = answer.body_mut();
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text);
        assert_eq!(body.size_hint().exact(), Some(left));
    }
    assert!(answer.body_mut().frame().await.is_none());
    assert_eq!(ends.try_recv().unwrap().outcome(), Outcome::Completed);
    assert!(requests.is_empty());
}

#[tokio::test]
async fn the_scope_ends_with_the_body_and_not_before() {
    let (sender, stream) = channel();
    let body = StreamBody::new(stream.map(|bytes| bytes.map(Frame::data)));
    let (mut answer, mut ends) = answer_with(CancelLayer::new(), Request::default(), Response::new(body)).await;
    for text in ["a", "b"] {
        sender.send(Bytes::from(text)).unwrap();
        let frame = answer.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), text);
        assert!(ends.try_recv().is_err());
    }
    drop(sender);
    assert!(answer.body_mut().frame().await.is_none());
    let end = ends.try_recv().unwrap();
    assert_eq!(
        (end.outcome(), end.status()),
        (Outcome::Completed, Some(StatusCode::OK))
    );
    assert!(end.reason().is_none());
    drop(answer);
    assert!(ends.try_recv().is_err(), "told of once");
}

#[tokio::test]
async fn lengths_and_trailers_pass() {
    let (mut answer, mut ends) =
        answer_with(CancelLayer::new(), Request::default(), Response::new(whole("12345"))).await;
    assert_eq!(answer.body().size_hint().exact(), Some(5));
    assert!(!answer.body().is_end_stream());
    assert_eq!(
        answer.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(),
        "12345"
    );
    assert_eq!(answer.body().size_hint().exact(), Some(0));
    assert!(answer.body().is_end_stream());
    assert_eq!(
        ends.try_recv().unwrap().outcome(),
        Outcome::Completed,
        "with its last frame"
    );

    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    let frames = [Frame::data(Bytes::from("a")), Frame::trailers(trailers.clone())];
    let body = StreamBody::new(futures::stream::iter(frames.map(Ok)));
    let (answer, _) = answer_with(CancelLayer::new(), Request::default(), Response::new(body)).await;
    let collected = answer.into_body().collect().await.unwrap();
    assert_eq!(collected.trailers(), Some(&trailers));
    assert_eq!(collected.to_bytes(), "a");
}

/// A server does not ask for what it does not need.
#[tokio::test]
async fn a_body_that_is_not_asked_for_is_no_client_that_leaves() {
    // Of HEAD, and of a status without a body.
    let head = Request::head("/").body(()).unwrap();
    let (answer, mut ends) = answer_with(CancelLayer::new(), head, Response::new(whole("12345"))).await;
    assert_eq!(answer.body().size_hint().exact(), Some(5));
    drop(answer);
    assert_eq!(ends.try_recv().unwrap().outcome(), Outcome::Completed);
    let mut response = Response::new(whole("12345"));
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    let (answer, mut ends) = answer_with(CancelLayer::new(), Request::default(), response).await;
    drop(answer);
    assert_eq!(ends.try_recv().unwrap().outcome(), Outcome::Completed);

    // With the length in a header: when it has that much.
    for (length, outcome) in [("2", Outcome::Completed), ("3", Outcome::Cancelled)] {
        let (sender, stream) = channel();
        let body = StreamBody::new(stream.map(|bytes| bytes.map(Frame::data)));
        let response = Response::builder().header("content-length", length).body(body).unwrap();
        let (mut answer, mut ends) = answer_with(CancelLayer::new(), Request::default(), response).await;
        sender.send(Bytes::from("12")).unwrap();
        answer.body_mut().frame().await.unwrap().unwrap();
        drop(answer);
        let end = ends.try_recv().unwrap();
        assert_eq!(
            (end.outcome(), end.has_client_left()),
            (outcome, outcome == Outcome::Cancelled),
            "{length}"
        );
    }
}

#[tokio::test]
async fn a_body_is_cut_by_the_time_limit_and_says_why() {
    let (sender, stream) = channel();
    let body = StreamBody::new(stream.map(|bytes| bytes.map(Frame::data)));
    let layer = CancelLayer::new().timeout(Duration::from_millis(20));
    let (mut answer, mut ends) = answer_with(layer, Request::default(), Response::new(body)).await;
    sender.send(Bytes::from("a")).unwrap();
    answer.body_mut().frame().await.unwrap().unwrap();
    let error = answer.body_mut().frame().await.unwrap().unwrap_err();
    let cancelled = error.downcast_ref::<Cancelled>().unwrap();
    assert!(cancelled.is_timeout());
    assert!(answer.body_mut().frame().await.is_none());
    assert!(sender.is_closed(), "the stream has been dropped");
    let end = ends.try_recv().unwrap();
    assert_eq!(
        (end.outcome(), end.status()),
        (Outcome::Cancelled, Some(StatusCode::OK))
    );
}

/// What a handler answers to a cancel is whole, though the scope is cancelled.
#[tokio::test]
async fn an_answer_to_a_cancel_is_not_cut() {
    let text = "x".repeat(100_000);
    let expected = text.clone();
    let handler = async move || {
        cancelable::current().cancel_with("enough");
        // In pieces, whose length is known.
        let pieces: Vec<_> = text.as_bytes().chunks(1000).map(Bytes::copy_from_slice).collect();
        Body::new(Pieces(pieces.into()))
    };
    let mut server = Server::start(CancelLayer::new(), Router::new().route("/", get(handler))).await;
    let answer = server.get("/").await.answer().await;
    assert_eq!((answer.status, answer.body), (200, expected));
    let end = server.end().await;
    assert_eq!(
        (end.outcome(), end.reason().unwrap().kind()),
        (Outcome::Completed, ReasonKind::Manual)
    );

    // An endless one is.
    let handler = async || {
        cancelable::current().cancel_with("enough");
        Body::from_stream(futures::stream::repeat_with(|| {
            Ok::<_, std::io::Error>(Bytes::from("more"))
        }))
    };
    let mut server = Server::start(CancelLayer::new(), Router::new().route("/", get(handler))).await;
    assert!(!server.get("/").await.rest().await.ends_with("0\r\n\r\n"));
    assert_eq!(server.end().await.outcome(), Outcome::Cancelled);
}

struct Pieces(std::collections::VecDeque<Bytes>);

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.0.iter().map(|piece| piece.len() as u64).sum())
    }
}

#[tokio::test]
async fn events_end_in_good_order_if_their_stream_listens() {
    let (log, mut logged) = log();
    let handler = async move || {
        log.say("begun");
        let ticks = futures::stream::once(async { "first" }).chain(futures::stream::pending());
        let events = ticks
            .until_cancelled(StreamEnd::Now)
            .chain(futures::stream::once(async { "goodbye" }));
        Sse::new(events.map(|text| Ok::<_, std::convert::Infallible>(Event::default().data(text))))
    };
    let mut server = Server::draining(
        CancelLayer::new(),
        Router::new().route("/", get(handler)),
        Duration::ZERO,
        crate::support::FOR_EVER,
    )
    .await;
    let mut client = server.get("/").await;
    assert_eq!(logged.next().await, "begun");
    client.until("first").await;
    server.stop();
    let text = client.rest().await;
    assert!(text.contains("goodbye") && text.ends_with("0\r\n\r\n"), "{text}");
    let end = server.end().await;
    assert_eq!(
        (end.outcome(), end.reason().unwrap().kind()),
        (Outcome::Completed, ReasonKind::Shutdown)
    );
}

#[tokio::test]
async fn errors_of_a_body_and_of_a_service_pass() {
    let error = std::io::Error::other("disk on fire");
    let body = StreamBody::new(futures::stream::iter([Ok(Frame::data(Bytes::from("a"))), Err(error)]));
    let (answer, mut ends) = answer_with(CancelLayer::new(), Request::default(), Response::new(body)).await;
    assert_eq!(
        answer.into_body().collect().await.unwrap_err().to_string(),
        "disk on fire"
    );
    assert_eq!(ends.try_recv().unwrap().outcome(), Outcome::Failed);

    let (ended, mut ends) = unbounded_channel();
    let layer = CancelLayer::new().on_end(move |end| ended.send(end.clone()).unwrap());
    let service = service_fn(async |_: Request<()>| Err::<Response<Full<Bytes>>, _>("no such thing"));
    assert_eq!(
        layer.layer(service).oneshot(Request::default()).await.unwrap_err(),
        "no such thing"
    );
    let end = ends.try_recv().unwrap();
    assert_eq!((end.outcome(), end.status()), (Outcome::Failed, None));
}

/// The body goes where the connection is, and the handler's tasks stay with it.
#[tokio::test]
async fn what_feeds_a_body_is_in_its_scope() {
    let handler = async || -> Result<Body, CancelledResponse> {
        let (sender, stream) = channel();
        cancelable::tokio::spawn(async move {
            for n in 0..100 {
                tokio::task::yield_now().await;
                // Over, if the scope ended with the handler.
                cancelable::check()?;
                let _ = sender.send(Bytes::from(format!("{n} ")));
            }
            Ok::<_, Cancelled>(())
        });
        Ok(Body::from_stream(stream.in_current_scope()))
    };
    let mut server = Server::start(CancelLayer::new(), Router::new().route("/", get(handler))).await;
    let text = server.get("/").await.rest().await;
    assert!(text.contains("99 ") && text.ends_with("0\r\n\r\n"), "{text}");
    assert_eq!(server.end().await.outcome(), Outcome::Completed);
}

#[test]
fn a_response_that_is_never_polled_is_never_called() {
    let layer = CancelLayer::new();
    let requests = layer.all().clone();
    let mut service = layer.layer(service_fn(
        |_: Request<()>| -> std::future::Ready<Result<Response<Full<Bytes>>, ()>> { panic!("it is called") },
    ));
    let response = service.call(Request::default());
    assert_eq!(requests.len(), 1);
    drop(response);
    assert!(requests.is_empty());
}

/// Without a runtime there are no tasks: then it is dropped.
#[test]
fn without_a_runtime_what_is_left_is_dropped() {
    let (ended, mut ends) = unbounded_channel();
    let layer = CancelLayer::new()
        .on_disconnect(cancelable_tower::OnDisconnect::Detach)
        .on_end(move |end| ended.send(end.clone()).unwrap());
    let mut service = layer.layer(service_fn(|_: Request<()>| {
        poll_fn(|_| Poll::<Result<Response<Full<Bytes>>, ()>>::Pending)
    }));
    let mut response = Box::new(service.call(Request::default()));
    assert!(
        pin!(&mut *response)
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    );
    drop(response);
    let end = ends.try_recv().unwrap();
    assert_eq!(
        (end.outcome(), end.reason().unwrap().kind()),
        (Outcome::Cancelled, ReasonKind::Dropped)
    );
}

/// For clients that read there how it went.
#[tokio::test]
async fn a_body_that_is_cut_may_end_with_trailers() {
    let layer = CancelLayer::new().trailers(|cancelled, status| {
        let text = cancelled.reason().to_string();
        HeaderMap::from_iter([
            ("grpc-status".parse().unwrap(), u16::from(status.grpc()).into()),
            ("grpc-message".parse().unwrap(), text.parse().unwrap()),
        ])
    });
    let token = layer.all().token().clone();
    let (sender, stream) = channel();
    let body = StreamBody::new(stream.map(|bytes| bytes.map(Frame::data)));
    let (answer, mut ends) = answer_with(layer, Request::default(), Response::new(body)).await;
    let mut body = answer.into_body();
    sender.send(Bytes::from("a")).unwrap();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    token.cancel_with("enough");
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(
        (
            trailers["grpc-status"].to_str().unwrap(),
            trailers["grpc-message"].to_str().unwrap()
        ),
        ("1", "enough")
    );
    assert!(body.is_end_stream() && body.frame().await.is_none());
    let end = ends.recv().await.unwrap();
    assert_eq!((end.outcome(), end.grpc_status()), (Outcome::Cancelled, Some(1)));
    assert!(end.noticed_at().is_some());
}

/// What a handler says itself in its trailers is told of.
#[tokio::test]
async fn the_status_of_trailers_is_told_of() {
    let frames = |status: &'static str| {
        let trailers = HeaderMap::from_iter([("grpc-status".parse().unwrap(), status.parse().unwrap())]);
        let frames = [Frame::data(Bytes::from("a")), Frame::trailers(trailers)];
        StreamBody::new(futures::stream::iter(frames).map(Ok::<_, std::io::Error>))
    };
    for (status, told) in [("0", Some(0)), ("5", Some(5)), ("many", None)] {
        let (answer, mut ends) =
            answer_with(CancelLayer::new(), Request::default(), Response::new(frames(status))).await;
        assert_eq!(
            answer.into_body().collect().await.unwrap().trailers().unwrap()["grpc-status"],
            status
        );
        let end = ends.recv().await.unwrap();
        assert_eq!((end.outcome(), end.grpc_status()), (Outcome::Completed, told));
        assert_eq!(end.to_string().contains(" grpc_status="), told.is_some(), "{end}");
    }
}
