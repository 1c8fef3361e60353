//! L7, for what users hang on tokens and put into reasons: chains of any length are dropped and cancelled without recursion,
//! here on a stack of 256 KiB.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use cancelable::{CancelReason, CancellationToken, Cancelled};

const LONG: usize = 100_000;
/// For what takes several allocations, and locks, a link.
const TIES: usize = 20_000;

fn on_a_small_stack(f: impl FnOnce() + Send + 'static) {
    let small = thread::Builder::new().stack_size(256 * 1024);
    small.spawn(f).unwrap().join().unwrap();
}

/// An error with whatever in it; counts when it is dropped.
struct Carrying<T> {
    #[expect(dead_code, reason = "held to be dropped")]
    carried: Option<T>,
    dropped: Arc<AtomicUsize>,
}

impl<T> fmt::Debug for Carrying<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Carrying")
    }
}

impl<T> fmt::Display for Carrying<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("carries another")
    }
}

impl<T> Error for Carrying<T> {}

impl<T> Drop for Carrying<T> {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

fn carrying<T: Send + Sync + 'static>(carried: Option<T>, dropped: &Arc<AtomicUsize>) -> CancelReason {
    CancelReason::error(Carrying {
        carried,
        dropped: Arc::clone(dropped),
    })
}

/// The error of a token that was cancelled for `reason`, which nobody else has then.
fn cancelled_for(reason: CancelReason) -> Cancelled {
    let token = CancellationToken::new();
    token.cancel_with(reason);
    token.check().unwrap_err()
}

#[test]
fn l07_reasons_that_carry_reasons_are_dropped_in_a_loop() {
    on_a_small_stack(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let reason = (0..LONG).fold(None, |reason, _| Some(carrying(reason, &dropped)));
        drop(reason);
        assert_eq!(dropped.load(Ordering::Relaxed), LONG);
    });
}

#[test]
fn l07_reasons_that_carry_errors_of_check_points_are_dropped_in_a_loop() {
    on_a_small_stack(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let last = (0..LONG).fold(None, |error, _| Some(cancelled_for(carrying(error, &dropped))));
        drop(last);
        assert_eq!(dropped.load(Ordering::Relaxed), LONG);
    });
}

#[test]
fn l07_io_errors_that_carry_errors_of_check_points_are_dropped_in_a_loop() {
    on_a_small_stack(|| {
        let first = io::Error::other("the first");
        drop((0..LONG).fold(first, |error, _| {
            io::Error::from(cancelled_for(CancelReason::error(error)))
        }));
    });
}

#[test]
fn l07_tokens_whose_reasons_carry_tokens_are_dropped_in_a_loop() {
    on_a_small_stack(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let last = (0..LONG).fold(None, |before, _| {
            let token = CancellationToken::new();
            token.cancel_with(carrying(before, &dropped));
            Some(token)
        });
        drop(last);
        assert_eq!(dropped.load(Ordering::Relaxed), LONG);
    });
}

#[test]
fn l07_a_chain_of_linked_tokens_is_cancelled_and_dropped_in_a_loop() {
    on_a_small_stack(|| {
        for is_cancelled in [true, false] {
            let first = CancellationToken::new();
            let last = (0..LONG).fold(first.clone(), |token, _| CancellationToken::any([&token]));
            if is_cancelled {
                first.cancel();
                assert!(last.is_cancelled());
            }
            drop(first);
            drop(last);
        }
    });
}

#[test]
fn l07_callbacks_that_keep_the_next_callback_s_handle_are_dropped_in_a_loop() {
    on_a_small_stack(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let first = (0..LONG).fold(None, |next, _| {
            let kept = Carrying {
                carried: next,
                dropped: Arc::clone(&dropped),
            };
            Some(CancellationToken::new().on_cancel(move |_| drop(kept)))
        });
        drop(first);
        assert_eq!(dropped.load(Ordering::Relaxed), LONG);
    });
}

/// Tokens, each of whose detached callbacks keeps the next; the first of them.
fn kept_by_callbacks(dropped: &Arc<AtomicUsize>) -> CancellationToken {
    (0..LONG).fold(CancellationToken::new(), |next, _| {
        let kept = Carrying {
            carried: Some(next),
            dropped: Arc::clone(dropped),
        };
        let token = CancellationToken::new();
        token.on_cancel(move |_| drop(kept)).detach();
        token
    })
}

#[test]
fn l07_callbacks_that_keep_the_next_token_are_dropped_in_a_loop() {
    on_a_small_stack(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        drop(kept_by_callbacks(&dropped));
        assert_eq!(dropped.load(Ordering::Relaxed), LONG);
    });
}

/// The first callback runs, and drops the second token with its callback unrun, and so on.
#[test]
fn l07_callbacks_that_keep_the_next_token_are_dropped_in_a_loop_when_the_first_one_runs() {
    on_a_small_stack(|| {
        let dropped = Arc::new(AtomicUsize::new(0));
        kept_by_callbacks(&dropped).cancel();
        assert_eq!(dropped.load(Ordering::Relaxed), LONG);
    });
}

/// Tokens of ours, each tied to the one before by way of one of tokio-util's.
fn tied() -> Vec<CancellationToken> {
    let mut tokens = vec![CancellationToken::new()];
    for last in 0..TIES {
        let theirs = tokens[last].to_tokio_util();
        tokens.push(CancellationToken::from(&theirs));
    }
    tokens
}

#[test]
fn l07_a_chain_of_ties_to_tokio_util_and_back_is_cancelled_in_a_loop() {
    on_a_small_stack(|| {
        let tokens = tied();
        tokens[0].cancel();
        assert!(tokens.iter().all(CancellationToken::is_cancelled));
    });
}

#[test]
fn l07_a_chain_of_ties_to_tokio_util_and_back_is_dropped_in_a_loop() {
    on_a_small_stack(|| drop(tied()));
    on_a_small_stack(|| tied().into_iter().rev().for_each(drop));
}

#[test]
fn l07_a_chain_of_ties_is_cancelled_in_a_loop_from_the_other_end_too() {
    on_a_small_stack(|| {
        let theirs = tokio_util::sync::CancellationToken::new();
        let mut tokens = vec![CancellationToken::from(&theirs)];
        for last in 0..TIES {
            let theirs = tokens[last].to_tokio_util();
            tokens.push(CancellationToken::from(&theirs));
        }
        theirs.cancel();
        assert!(tokens.iter().all(CancellationToken::is_cancelled));
    });
}
