//! Many requests, of which a third leave at some point: nothing stays behind.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use bytes::Bytes;
use cancelable::cancelable;
use cancelable_tower::{CancelLayer, CancelledResponse, OnDisconnect, Outcome};
use futures::StreamExt as _;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, StreamBody};
use tokio::task::yield_now;
use tower::{Layer as _, Service as _, service_fn};

const MANY: usize = 10_000;

/// Counts those that are there.
#[derive(Clone, Default)]
struct Alive(Arc<AtomicUsize>);

struct One(Arc<AtomicUsize>);

impl Alive {
    fn one(&self) -> One {
        self.0.fetch_add(1, Ordering::Relaxed);
        One(Arc::clone(&self.0))
    }
}

impl Drop for One {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Awaits a few times, with a task of its own, and answers with three frames.
#[cancelable]
async fn handle(alive: Alive) -> Result<Response<axum::body::Body>, CancelledResponse> {
    let one = alive.one();
    let token = cancelable::current();
    let task = alive.one();
    cancelable::tokio::spawn(async move {
        token.cancelled().await;
        drop(task);
    });
    for _ in 0..3 {
        yield_now().await;
    }
    let frames = futures::stream::iter(0..3).then(move |n| {
        let _ = &one;
        async move {
            yield_now().await;
            Ok::<_, std::io::Error>(Frame::data(Bytes::from(vec![n; 10])))
        }
    });
    Ok(Response::new(axum::body::Body::new(StreamBody::new(frames))))
}

/// Each leaves after the n-th poll, for every n, under every policy.
#[tokio::test]
async fn nothing_is_left_of_many_requests() {
    let alive = Alive::default();
    let ends = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let requests = cancelable_tower::Requests::new();
    let policies = [OnDisconnect::Drop, OnDisconnect::Cancel, OnDisconnect::Detach];
    let mut left = 0;
    for n in 0..MANY {
        let counted = Arc::clone(&ends);
        let layer = CancelLayer::new()
            .requests(&requests)
            .on_disconnect(policies[n % 3].clone())
            .on_end(move |end| {
                let is_completed = end.outcome() == Outcome::Completed;
                counted[usize::from(is_completed)].fetch_add(1, Ordering::Relaxed);
            });
        let alive = alive.clone();
        let mut service = layer.layer(service_fn(move |_: Request<()>| {
            let handled = handle(alive.clone());
            async {
                handled
                    .await
                    .or_else(|cancelled| Ok::<_, ()>(Response::from(cancelled).map(axum::body::Body::from)))
            }
        }));
        let request = service.call(Request::default());
        // A third leaves, after 0 to 10 polls.
        let polls = if n % 3 == 0 { (n / 9) % 11 } else { usize::MAX };
        left += usize::from(!take(request, polls).await);
    }
    // Tasks have their last polls.
    while !requests.is_empty() || alive.0.load(Ordering::Relaxed) != 0 {
        yield_now().await;
    }
    let [cancelled, completed] = [0, 1].map(|n| ends[n].load(Ordering::Relaxed));
    assert_eq!(cancelled + completed, MANY, "each is told of once");
    assert!(
        left > MANY / 5 && cancelled > 0,
        "{left} left, {cancelled} were cancelled"
    );
    assert!(!requests.token().is_cancelled());
    assert!(
        format!("{:?}", requests.token()).contains("children: 0"),
        "{:?}",
        requests.token()
    );
}

/// Takes the whole response, unless it has been polled so often before. `false`: left.
async fn take<F, D>(request: F, polls: usize) -> bool
where
    F: Future<Output = Result<Response<cancelable_tower::CancelBody<D>>, ()>>,
    D: bytes::Buf + From<Bytes> + Send + 'static,
{
    if polls == usize::MAX {
        return request.await.unwrap().into_body().collect().await.is_ok();
    }
    let mut request = pin!(request);
    let mut body = None;
    for _ in 0..polls {
        let cx = &mut Context::from_waker(Waker::noop());
        match &mut body {
            None => {
                if let std::task::Poll::Ready(response) = request.as_mut().poll(cx) {
                    body = Some(response.unwrap().into_body());
                }
            }
            Some(body) => {
                let _ = pin!(body).poll_frame(cx);
            }
        }
        yield_now().await;
    }
    false
}
