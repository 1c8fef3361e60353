//! L5, for wakers that are others when they are cloned: whoever was shown to a future last is woken by the cancel, also if
//! it lies where another one lay before.

use std::future::{Future, pending};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cancelable::{
    CancelFutureExt as _, CancellationToken, Cancelled, Scope, Spawn, StreamEnd, StreamExt as _, TaskGroup, guard,
    race, sleep,
};
use futures::StreamExt as _;
use tests::poll_with;
use tests::wakers::{Clones, Place, Task};

type Waiting = Pin<Box<dyn Future<Output = ()>>>;

/// Polls `f` under a waker of its own: always the one that lies here.
async fn under<F: Future>(waker: Waker, f: F) -> F::Output {
    let mut f = pin!(f);
    std::future::poll_fn(|_| f.as_mut().poll(&mut Context::from_waker(&waker))).await
}

/// Polls with the waker of one task and then with that of another, at the same address, and cancels.
fn second_task_is_woken(name: &str, make: impl FnOnce(&CancellationToken, Waker) -> (Waiting, Option<Waker>)) {
    let token = CancellationToken::new();
    let (first, second) = (Task::new(), Task::new());
    let place = Place::new(&first);
    let (mut future, outer) = make(&token, place.waker());
    let waker = outer.unwrap_or_else(|| place.waker());
    assert!(poll_with(&mut future, &waker).is_pending(), "{name}");
    place.set(&second);
    assert!(poll_with(&mut future, &waker).is_pending(), "{name}");
    token.cancel();
    assert!(second.wakes() > 0, "{name}");
    drop(future);
    assert_eq!((first.alive(), second.alive()), (0, 0), "{name}");
}

fn boxed<T>(future: impl Future<Output = T> + 'static) -> Waiting {
    Box::pin(async move { drop(future.await) })
}

async fn body() -> Result<(), Cancelled> {
    guard(pending()).await
}

/// Tasks that nobody runs.
#[derive(Default)]
struct Unrun(Mutex<Vec<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl Spawn for Unrun {
    fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
        self.0.lock().unwrap().push(Box::pin(task));
    }
}

/// Everything that registers the waker it is polled with.
fn each(mut with: impl FnMut(&str, &dyn Fn(&CancellationToken) -> Waiting)) {
    const HOUR: Duration = Duration::from_secs(3600);
    with("cancelled", &|token| boxed(token.clone().cancelled_owned()));
    with("scope of a token", &|token| boxed(token.scope(body())));
    with("with_cancellation", &|token| boxed(body().with_cancellation(token)));
    with("scope", &|token| boxed(Scope::new().parent(token).run(body())));
    with("scope with a token", &|token| {
        boxed(Scope::new().parent(token).run_with(|_| body()))
    });
    with("scope with a timeout", &|token| {
        boxed(Scope::new().parent(token).timeout(HOUR).run(body()))
    });
    with("scope that is linked", &|token| {
        boxed(Scope::new().link(token.clone()).run(body()))
    });
    with("race", &|token| {
        boxed(token.scope(async { race((body(), body())).await }))
    });
    with("sleep", &|token| boxed(token.scope(sleep(HOUR))));
    with("stream", &|token| {
        let stream = futures::stream::pending::<()>();
        let mut stream = stream.until_cancelled_by(token, StreamEnd::Now);
        boxed(async move { stream.next().await })
    });
    with("run_until_cancelled", &|token| {
        boxed(token.clone().run_until_cancelled_owned(pending::<()>()))
    });
    with("next of a group", &|token| {
        let mut group = token.sync_scope(|| TaskGroup::<(), Cancelled, _>::on(Unrun::default()));
        group.spawn(body());
        boxed(token.scope(async move { group.next().await }))
    });
}

#[test]
fn l05_a_waker_that_is_another_one_when_cloned_is_not_taken_for_the_one_before() {
    each(|name, make| second_task_is_woken(name, |token, _| (make(token), None)));
}

#[test]
fn a_poll_with_the_waker_of_the_one_before_clones_nothing() {
    each(|name, make| {
        let token = CancellationToken::new();
        let clones = Clones::new();
        let (mut future, waker) = (make(&token), clones.waker());
        assert!(poll_with(&mut future, &waker).is_pending(), "{name}");
        let before = clones.count();
        assert!(before > 0, "{name}");
        assert!(poll_with(&mut future, &waker).is_pending(), "{name}");
        assert_eq!(clones.count(), before, "{name}");
    });
}

/// What registers the waker that it is polled with within a poll of its scope.
fn each_inside(mut with: impl FnMut(&str, &dyn Fn(&CancellationToken, Waker) -> Waiting)) {
    with("guard", &|token, waker| {
        boxed(token.scope(under(waker, guard(pending::<()>()))))
    });
    with("scope", &|token, waker| {
        boxed(token.scope(under(waker, Scope::new().run(body()))))
    });
    with("stream", &|token, waker| {
        let stream = futures::stream::pending::<()>();
        let mut stream = stream.until_cancelled_by(token, StreamEnd::Now);
        boxed(token.scope(under(waker, async move { stream.next().await })))
    });
}

#[test]
fn l05_nor_is_one_that_something_inside_a_scope_is_polled_with() {
    each_inside(|name, make| {
        let outer = Waker::noop().clone();
        second_task_is_woken(name, |token, waker| (make(token, waker), Some(outer)));
    });
}

#[test]
fn a_poll_inside_a_scope_with_the_waker_of_the_one_before_clones_nothing() {
    each_inside(|name, make| {
        let token = CancellationToken::new();
        let clones = Clones::new();
        let mut future = make(&token, clones.waker());
        assert!(poll_with(&mut future, Waker::noop()).is_pending(), "{name}");
        let before = clones.count();
        assert!(before > 0, "{name}");
        assert!(poll_with(&mut future, Waker::noop()).is_pending(), "{name}");
        assert_eq!(clones.count(), before, "{name}");
    });
}

/// What the library remembers is the deadline's waker as well.
#[test]
fn l05_a_deadline_wakes_the_waker_that_was_shown_last() {
    let (first, second) = (Task::new(), Task::new());
    let place = Place::new(&first);
    let mut scope = boxed(Scope::new().timeout(Duration::from_millis(20)).run(body()));
    assert!(poll_with(&mut scope, &place.waker()).is_pending());
    place.set(&second);
    assert!(poll_with(&mut scope, &place.waker()).is_pending());
    while second.wakes() == 0 {
        std::thread::yield_now();
    }
    while poll_with(&mut scope, &place.waker()) == Poll::Pending {}
    drop(scope);
    assert_eq!(Arc::strong_count(&first), 1);
}
