//! What only shows from inside: a task that has listed its failure and not got on to cancelling the others.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

#[derive(Default)]
struct Counts(AtomicUsize);

impl Wake for Counts {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Group = Arc<Shared<(), Cancelled>>;

fn group() -> Group {
    Shared::new(CancellationToken::new(), Location::caller())
}

/// A task that has listed its result, and not got on to telling the others if that is a failure.
fn list<T>(
    group: &Shared<T, Cancelled>,
    spawned_at: &'static Location<'static>,
    result: Result<T, TaskError<Cancelled>>,
) {
    let mut state = lock(&group.state);
    state.spawned += 1;
    state.running += 1;
    state.telling += usize::from(result.is_err());
    state.first_failure = result.as_ref().err().map(|error| error.superseding(spawned_at));
    state.ended.push_back(Ended { index: 0, result });
}

#[test]
fn whoever_hears_of_a_failure_finds_the_group_cancelled_though_its_task_has_not_got_that_far() {
    let group = group();
    let spawned_at = Location::caller();
    list(
        &group,
        spawned_at,
        Err(TaskError::Failed(Cancelled::dropped(spawned_at))),
    );
    assert_eq!(group.len(), 1);
    let next = group.poll_next(&Context::from_waker(Waker::noop()));
    assert!(matches!(next, Poll::Ready(Some(Err(_)))));
    assert!(group.token().is_cancelled());
    // The task has still to say that it is over.
    assert_eq!(group.len(), 0);
    assert!(group.poll_next(&Context::from_waker(Waker::noop())).is_pending());
}

#[test]
fn a_callback_that_panics_does_not_keep_the_owner_from_being_woken() {
    let group = group();
    let woken = std::sync::Arc::new(Counts::default());
    let waker = Waker::from(std::sync::Arc::clone(&woken));
    let member = group.enlist(Location::caller());
    group.token().on_cancel(|_| panic!("a callback")).detach();
    assert!(group.poll_idle(&Context::from_waker(&waker)).is_pending());
    let failure = Err(Cancelled::dropped(Location::caller()));
    assert!(catch_unwind(AssertUnwindSafe(|| member.end(Ok(failure)))).is_err());
    assert_eq!(woken.0.load(Ordering::SeqCst), 1);
    assert!(group.poll_idle(&Context::from_waker(&waker)).is_ready());
}

#[test]
fn l24_whoever_hears_of_a_failure_finds_the_others_cancelled_for_it() {
    let spawned_at = Location::caller();
    let failures = [
        TaskError::Failed(Cancelled::dropped(spawned_at)),
        TaskError::Panicked(TaskPanic::new(Box::new("on purpose"), spawned_at)),
    ];
    for failure in failures {
        let shared = Shared::<(), Cancelled>::new(CancellationToken::new(), Location::caller());
        list(&shared, spawned_at, Err(failure));
        let poll = shared.poll_next(&Context::from_waker(Waker::noop()));
        assert!(matches!(poll, Poll::Ready(Some(Err(_)))));
        let reason = shared.token().reason().expect("cancelled by who took the failure");
        assert_eq!(reason.kind(), crate::reason::ReasonKind::Superseded);
        assert_eq!(reason.location(), spawned_at);
    }
    let shared = Shared::<u32, Cancelled>::new(CancellationToken::new(), Location::caller());
    list(&shared, spawned_at, Ok(7));
    let poll = shared.poll_next(&Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Ready(Some(Ok(7)))));
    assert!(!shared.token().is_cancelled(), "a value concerns nobody else");
}

#[test]
fn a_task_that_tells_the_others_of_its_failure_counts_once() {
    let group = group();
    let member = group.enlist(Location::caller());
    let seen = std::sync::Arc::new(AtomicUsize::new(0));
    let (asked, noted) = (Arc::clone(&group), std::sync::Arc::clone(&seen));
    let _callback = group
        .token()
        .on_cancel(move |_| noted.store(asked.len(), Ordering::SeqCst));
    member.end(Ok(Err(Cancelled::dropped(Location::caller()))));
    assert_eq!(
        seen.load(Ordering::SeqCst),
        1,
        "its failure, which nobody has taken yet"
    );
}

#[test]
fn l24_a_failure_is_not_lost_to_a_callback_that_panics_as_it_is_taken() {
    let group = group();
    let spawned_at = Location::caller();
    let failure = Err(TaskError::Failed(Cancelled::dropped(spawned_at)));
    list(&group, spawned_at, failure);
    group.token().on_cancel(|_| panic!("a callback")).detach();
    let next = || group.poll_next(&Context::from_waker(Waker::noop()));
    assert!(catch_unwind(AssertUnwindSafe(next)).is_err());
    assert!(matches!(next(), Poll::Ready(Some(Err(TaskError::Failed(_))))));
}

#[derive(Debug)]
struct Failed(u32);

impl From<Cancelled> for Failed {
    fn from(_: Cancelled) -> Self {
        Self(0)
    }
}

/// What comes of a `run` whose tasks end so, one after the other, when its body is over.
fn run_with(ends: impl IntoIterator<Item = Caught<Result<(), Failed>>>) -> Caught<Result<(), Failed>> {
    let group = Shared::new(CancellationToken::new(), Location::caller());
    let tasks: Vec<_> = ends
        .into_iter()
        .map(|end| (group.enlist(Location::caller()), end))
        .collect();
    let mut leaving = group.body_over(Ok(Ok(())));
    for (task, end) in tasks {
        assert!(!leaving.is_over(&group));
        task.end(end);
    }
    assert!(leaving.is_over(&group));
    catch_unwind(AssertUnwindSafe(|| leaving.settle()))
}

#[test]
fn l24_of_the_failures_after_a_body_the_first_counts_and_a_panic_before_any_error() {
    let failed = |n| Ok(Err(Failed(n)));
    let panicked = |n: u32| Err(Box::new(n) as Box<dyn Any + Send>);
    assert!(matches!(run_with([failed(1), failed(2)]), Ok(Err(Failed(1)))));
    for ends in [
        [failed(1), panicked(2), panicked(3)],
        [panicked(2), failed(1), panicked(3)],
    ] {
        assert_eq!(run_with(ends).unwrap_err().downcast_ref(), Some(&2_u32));
    }
}
