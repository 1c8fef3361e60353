//! Two threads at the same tree. `.ci/miri` runs these under many schedules.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use cancelable::{CancellationToken, Cancelled, Scope, check, guard, shield};
use miri_tests::{Count, Pends, poll, poll_shared, sized};

/// Runs `f` and `g` side by side.
fn together<F: Send, G>(f: impl FnOnce() -> F + Send, g: impl FnOnce() -> G) -> (F, G) {
    let start = Barrier::new(2);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            start.wait();
            f()
        });
        start.wait();
        let ours = g();
        (other.join().unwrap(), ours)
    })
}

fn rounds() -> usize {
    sized(2, 500)
}

#[test]
fn l03_two_sources_of_one_token() {
    for _ in 0..rounds() {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let any = CancellationToken::any([&a, &b]);
        let all = CancellationToken::all([&any, &a]).child_token();
        let cancel = |token: &CancellationToken| {
            token.cancel();
            assert!(any.is_cancelled() && any.reason().is_some());
        };
        together(
            || cancel(&b),
            || {
                cancel(&a);
                assert!(a.is_cancelled());
            },
        );
        assert!(all.is_cancelled());
    }
}

/// The same, of one scope's `until`, asked by those who cancel.
#[test]
fn l03_two_sources_of_one_scope() {
    for _ in 0..rounds() {
        let (a, b) = (CancellationToken::new(), CancellationToken::new());
        let outcome: Result<(), Cancelled> = Scope::new().until(&a).until(&b).run_sync_with(|token| {
            let cancel = |source: &CancellationToken| {
                source.cancel();
                assert!(token.is_cancelled() && token.check().is_err());
            };
            together(|| cancel(&b), || cancel(&a));
            check()
        });
        assert!(outcome.is_err());
    }
}

#[test]
fn children_and_handles_come_and_go_during_a_cancel() {
    for linked in [false, true] {
        for _ in 0..rounds() {
            let root = CancellationToken::new();
            let other = linked.then(|| CancellationToken::any([&root]));
            let branch = root.child_token();
            let (late, ()) = together(
                || {
                    let leaf = branch.child_token().child_token();
                    let twin = branch.clone();
                    drop(branch);
                    let late = twin.child_token();
                    let link = CancellationToken::any([&late, &leaf]);
                    drop(leaf);
                    (late, link)
                },
                || root.cancel(),
            );
            assert!(late.0.is_cancelled() && late.1.is_cancelled());
            assert!(other.is_none_or(|token| token.is_cancelled()));
        }
    }
}

#[test]
fn waiters_and_callbacks_come_and_go_during_a_cancel() {
    for _ in 0..rounds() {
        let token = CancellationToken::new();
        let count = Count::new();
        let stays = token.on_cancel({
            let count = Arc::clone(&count);
            move |_| count.up()
        });
        let ((ran, taken_back), ()) = together(
            || {
                let mut future = pin!(token.cancelled());
                let _ = poll(future.as_mut(), &Waker::from(Count::new()));
                let ran = Count::new();
                let callback = token.on_cancel({
                    let ran = Arc::clone(&ran);
                    move |_| ran.up()
                });
                token.on_cancel(|_| ()).detach();
                let _ = poll(future.as_mut(), Waker::noop());
                (ran, callback.unregister())
            },
            || token.cancel(),
        );
        assert_eq!(ran.get() == 1, !taken_back);
        assert!(!stays.unregister());
        assert_eq!(count.get(), 1);
    }
}

#[test]
fn a_blocked_thread_and_a_scope_are_ended_by_another_thread() {
    for _ in 0..rounds() {
        let token = CancellationToken::new();
        together(|| token.wait(), || token.cancel());

        let token = CancellationToken::new();
        let (error, ()) = together(
            || {
                Scope::new().parent(&token).run_sync(|| {
                    loop {
                        check()?;
                        thread::yield_now();
                    }
                })
            },
            || token.cancel(),
        );
        let error: Cancelled = Result::<(), _>::unwrap_err(error);
        assert!(error.belongs_to(&token));
    }
}

/// Two scopes on two threads poll one shield, and are dropped at some moment, while a cancel comes.
#[test]
fn l12_a_shield_wanders_between_two_threads() {
    for _ in 0..rounds() {
        let token = CancellationToken::new();
        let shared = Mutex::new(Some(Box::pin(shield(Pends(6)))));
        let part = || {
            let mut scoped = pin!(token.scope(guard(poll_fn(|cx| poll_shared(&mut shared.lock().unwrap(), cx)))));
            let waker = Waker::from(Count::new());
            (0..4).find_map(|_| match poll(scoped.as_mut(), &waker) {
                Poll::Ready(outcome) => Some(outcome),
                Poll::Pending => None,
            })
        };
        let cancelled = || {
            token.cancel();
            part()
        };
        let (one, other) = together(part, cancelled);
        for outcome in [one, other].into_iter().flatten() {
            assert!(outcome.is_ok() || token.is_cancelled());
        }
    }
}
