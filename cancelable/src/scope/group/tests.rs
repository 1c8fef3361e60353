//! What only shows from inside: a task that has listed its failure and not got on to cancelling the others.

use super::*;

#[test]
fn l24_whoever_hears_of_a_failure_finds_the_others_cancelled_for_it() {
    let spawned_at = Location::caller();
    let failures = [
        TaskError::Failed(Cancelled::dropped(spawned_at)),
        TaskError::Panicked(TaskPanic::new(Box::new("on purpose"), spawned_at)),
    ];
    for failure in failures {
        let shared = Shared::<(), Cancelled>::new(CancellationToken::new(), Location::caller());
        lock(&shared.state).ended.push_back(Ended {
            index: 0,
            spawned_at,
            result: Err(failure),
        });
        let poll = shared.poll_next(&Context::from_waker(Waker::noop()));
        assert!(matches!(poll, Poll::Ready(Some(Err(_)))));
        let reason = shared.token().reason().expect("cancelled by who took the failure");
        assert_eq!(reason.kind(), crate::reason::ReasonKind::Superseded);
        assert_eq!(reason.location(), spawned_at);
    }
    let shared = Shared::<u32, Cancelled>::new(CancellationToken::new(), Location::caller());
    lock(&shared.state).ended.push_back(Ended {
        index: 0,
        spawned_at,
        result: Ok(7),
    });
    let poll = shared.poll_next(&Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Ready(Some(Ok(7)))));
    assert!(!shared.token().is_cancelled(), "a value concerns nobody else");
}
