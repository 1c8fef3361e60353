//! When the deadline of a scope is (L15).

use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use cancelable::testing::Clock;
use cancelable::{Cancelled, Scope, current, guard, remaining};
use tests::poll_once;

type Outcome = Result<(), Cancelled>;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn l15_a_timeout_counts_from_the_first_poll_however_often_the_scope_is_polled() {
    let clock = Clock::new();
    clock.sync_scope(|| {
        let mut scope = Box::pin(
            Scope::new()
                .timeout(10 * SECOND)
                .run(async { guard(pending::<Outcome>()).await? }),
        );
        for _ in 0..9 {
            assert!(poll_once(&mut scope).is_pending());
            clock.advance(SECOND);
        }
        assert!(poll_once(&mut scope).is_pending());
        clock.advance(SECOND);
        let Poll::Ready(outcome) = poll_once(&mut scope) else {
            panic!("its time is up")
        };
        assert!(outcome.unwrap_err().is_timeout());
    });
}

#[test]
fn l15_what_is_left_is_counted_from_the_first_poll_whenever_somebody_first_asks() {
    for first_asked in 0..4 {
        let clock = Clock::new();
        clock.sync_scope(|| {
            let seen = Arc::new(Mutex::new(Vec::new()));
            let seeing = Arc::clone(&seen);
            let mut polls = 0..;
            let body = poll_fn(move |_| {
                if polls.next() >= Some(first_asked) {
                    seeing.lock().unwrap().push(remaining());
                }
                Poll::<Outcome>::Pending
            });
            let mut scope = Box::pin(Scope::new().timeout(10 * SECOND).run(body));
            for _ in 0..6 {
                assert!(poll_once(&mut scope).is_pending());
                clock.advance(SECOND);
            }
            let left = (first_asked..6).map(|n| Some((10 - n) * SECOND));
            assert_eq!(*seen.lock().unwrap(), left.collect::<Vec<_>>());
        });
    }
}

#[test]
fn l15_by_the_real_clock_the_deadline_does_not_move_either() {
    for first_asked in 0..3 {
        let mut seen = Vec::new();
        let mut polls = 0..;
        let body = poll_fn(|_| {
            if polls.next() >= Some(first_asked) {
                seen.push(current().deadline().unwrap());
            }
            Poll::<Outcome>::Pending
        });
        let before = Instant::now();
        let mut scope = Box::pin(Scope::new().timeout(3600 * SECOND).run(body));
        assert!(poll_once(&mut scope).is_pending());
        let begun = Instant::now();
        for _ in 0..4 {
            assert!(poll_once(&mut scope).is_pending());
        }
        drop(scope);
        let (first, last) = (before + 3600 * SECOND, begun + 3600 * SECOND);
        assert!(seen.len() >= 2 && seen.iter().all(|at| (first..=last).contains(at)));
    }
}
