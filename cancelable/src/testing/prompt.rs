//! Is a suspended future woken by a cancel, and out soon?

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use super::waker::CountingWaker;
use crate::token::CancellationToken;

/// How often a future may wake itself before it is taken for one that never waits.
const TURNS: usize = 100_000;

/// Runs `future` under `token` until it waits for something, cancels the token, and gives what it returns then.
///
/// It must be woken for each poll, and ready after at most so many. Code that waits at check points needs one poll; each
/// await of its cleanup that is not ready at once adds one.
///
/// ```
/// use cancelable::{CancellationToken, sleep, testing::assert_cancelled_within};
/// use std::time::Duration;
///
/// let token = CancellationToken::new();
/// let result = assert_cancelled_within(1, &token, sleep(Duration::from_secs(3600)));
/// assert!(result.is_err());
/// ```
///
/// # Panics
///
/// If the future is ready before it has waited, if nothing wakes it, or if it is still pending after that many polls.
#[track_caller]
pub fn assert_cancelled_within<F: Future>(polls: usize, token: &CancellationToken, future: F) -> F::Output {
    let mut future = pin!(token.scope(future));
    let (counter, waker) = CountingWaker::new();
    let mut cx = Context::from_waker(&waker);
    let mut turns = 0;
    loop {
        let woken = counter.count();
        assert!(
            future.as_mut().poll(&mut cx).is_pending(),
            "it was done before it could be cancelled"
        );
        if counter.count() == woken {
            break;
        }
        turns += 1;
        assert!(turns < TURNS, "it never waits: it has woken itself {TURNS} times");
    }
    let mut woken = counter.count();
    token.cancel();
    for poll in 1..=polls {
        assert!(
            counter.count() > woken,
            "not woken for poll {poll} after the cancel: it waits for something that does not notice, or missed it"
        );
        woken = counter.count();
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
    panic!("still pending after {polls} polls under a cancelled token");
}
