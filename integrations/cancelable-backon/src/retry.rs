//! The retry.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, pending};
use std::marker::PhantomData;
use std::time::Duration;

use backon::{Backoff, BackoffBuilder};
use cancelable::{guard, is_cancelled, remaining, sleep};

use crate::error::RetryError;

/// Tries an operation, and again after each error, with the pauses of a backoff of `backon`.
///
/// See [the crate](crate) for an example.
pub fn retry<Op, Fut, T, E, B>(operation: Op, backoff: B) -> Retry<Op, B::Backoff, E>
where
    Op: FnMut() -> Fut,
    Fut: Future<Output = Result<T, E>>,
    B: BackoffBuilder,
{
    Retry {
        operation,
        backoff: backoff.build(),
        when: |_| true,
        notify: |_, _| {},
        error: PhantomData,
    }
}

/// An operation that is to be tried; made by [`retry`].
#[must_use = "it does nothing until it is told to `run`"]
pub struct Retry<Op, B, E, When = fn(&E) -> bool, Notify = fn(&E, Duration)> {
    operation: Op,
    backoff: B,
    when: When,
    notify: Notify,
    error: PhantomData<fn(&E)>,
}

impl<Op, B, E, When, Notify> Retry<Op, B, E, When, Notify> {
    /// Which errors there is another attempt after. All, if nothing is said.
    pub fn when<W: FnMut(&E) -> bool>(self, when: W) -> Retry<Op, B, E, W, Notify> {
        Retry {
            operation: self.operation,
            backoff: self.backoff,
            when,
            notify: self.notify,
            error: PhantomData,
        }
    }

    /// Is told of each error that there will be another attempt after, and of the pause before that.
    pub fn notify<N: FnMut(&E, Duration)>(self, notify: N) -> Retry<Op, B, E, When, N> {
        Retry {
            operation: self.operation,
            backoff: self.backoff,
            when: self.when,
            notify,
            error: PhantomData,
        }
    }

    /// Tries until an attempt succeeds, the backoff is at its end, or the scope is: cancelled, or to end before the next attempt.
    ///
    /// Attempts and pauses are check points of this line. An attempt that is pending when the cancel comes is dropped, unless it is
    /// annotated code, which cleans up, or shielded.
    ///
    /// # Errors
    ///
    /// [`RetryError`], with the last error.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it drops the attempt that is pending.
    #[track_caller]
    pub fn run<Fut, T>(self) -> impl Future<Output = Result<T, RetryError<E>>>
    where
        Op: FnMut() -> Fut,
        Fut: Future<Output = Result<T, E>>,
        B: Backoff,
        When: FnMut(&E) -> bool,
        Notify: FnMut(&E, Duration),
    {
        // Of the caller's line; whatever else listens is of one in here.
        let cancelled = guard(pending::<Infallible>());
        let Self {
            mut operation,
            mut backoff,
            mut when,
            mut notify,
            ..
        } = self;
        async move {
            let mut failed = None;
            let mut attempts = 0;
            loop {
                let attempt = guard(async {
                    attempts += 1;
                    operation().await
                });
                let last = match attempt.await {
                    Ok(Ok(value)) => return Ok(value),
                    Ok(Err(error)) if !is_cancelled() => error,
                    // The cancel's, or one that came with it: the one before says more, if there is one.
                    Ok(Err(error)) => {
                        failed = failed.or(Some(error));
                        break;
                    }
                    Err(_) => break,
                };
                let Some(pause) = backoff.next().filter(|_| when(&last)) else {
                    return Err(RetryError::Failed { last, attempts });
                };
                if let Some(remaining) = remaining().filter(|remaining| *remaining <= pause) {
                    return Err(RetryError::OutOfTime {
                        last,
                        attempts,
                        pause,
                        remaining,
                    });
                }
                notify(&last, pause);
                failed = Some(last);
                if sleep(pause).await.is_err() {
                    break;
                }
            }
            let Err(cancelled) = cancelled.await;
            Err(RetryError::Cancelled {
                cancelled,
                last: failed,
                attempts,
            })
        }
    }
}

impl<Op, B: fmt::Debug, E, When, Notify> fmt::Debug for Retry<Op, B, E, When, Notify> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("backoff", &self.backoff)
            .finish_non_exhaustive()
    }
}
