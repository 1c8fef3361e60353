//! `checkpoint`: a check that gives way to other tasks now and then.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::await_guard::{Guard, guard};
use crate::context::is_cancelled;
use crate::error::Cancelled;

/// A check point for CPU work in async code: as [`check`](crate::check()), and every 64th call lets the executor run
/// something else, on any executor.
///
/// A loop that never waits keeps its thread to itself: on a single-threaded runtime nothing else runs, not even the code
/// that would cancel it. (Its scope's deadline does, at any check point.) With `checkpoint().await?` in it, it neither
/// overhears a cancel nor starves its neighbours. How often it yields can be set with [`every`](Checkpoint::every).
///
/// Where there is no scope, it yields all the same.
///
/// # Errors
///
/// [`Cancelled`], with the line of this call, before it yields or after.
///
/// # Cancel safety
///
/// Dropping it loses nothing.
///
/// ```
/// use cancelable::{Cancelled, checkpoint};
///
/// async fn count_primes(up_to: u32) -> Result<u32, Cancelled> {
///     let mut found = 0;
///     for n in 2..up_to {
///         checkpoint().await?;
///         found += u32::from((2..n).all(|d| n % d != 0));
///     }
///     Ok(found)
/// }
/// assert_eq!(futures::executor::block_on(count_primes(1000)).unwrap(), 168);
/// ```
#[track_caller]
pub fn checkpoint() -> Checkpoint {
    Checkpoint {
        guard: guard(GiveWay {
            every: 64,
            has_yielded: false,
        }),
    }
}

/// A check that also yields; made by [`checkpoint`].
#[must_use = "futures do nothing unless polled"]
pub struct Checkpoint {
    guard: Guard<GiveWay>,
}

impl Checkpoint {
    /// Yields every `calls` calls instead: more often where an iteration of the loop is long, `1` for each time. (`0` counts as
    /// `1`.)
    ///
    /// The calls are counted per thread, whoever makes them: what counts is how long the thread has been kept from other
    /// tasks.
    ///
    /// ```
    /// # async fn render(frame: u32) {}
    /// # async fn all() -> Result<(), cancelable::Cancelled> {
    /// for frame in 0..100 {
    ///     cancelable::checkpoint().every(1).await?;
    ///     render(frame).await;
    /// }
    /// # Ok(())
    /// # }
    /// # futures::executor::block_on(all()).unwrap();
    /// ```
    pub fn every(mut self, calls: u32) -> Self {
        self.guard.inner_mut().every = calls;
        self
    }
}

impl Future for Checkpoint {
    type Output = Result<(), Cancelled>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.guard).poll(cx)
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checkpoint").finish_non_exhaustive()
    }
}

thread_local! {
    /// Calls since this thread last gave way.
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

/// Ready, or pending once if it is time. (The guard round it does the checking.)
#[derive(Debug)]
struct GiveWay {
    every: u32,
    has_yielded: bool,
}

impl Future for GiveWay {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.has_yielded {
            // Cancelled while others ran: pending is what lets the guard say so.
            return if is_cancelled() { Poll::Pending } else { Poll::Ready(()) };
        }
        let calls = CALLS.get() + 1;
        if calls < self.every {
            CALLS.set(calls);
            return Poll::Ready(());
        }
        CALLS.set(0);
        self.has_yielded = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// `future`, and before it starts a pause for other tasks, in every so many of these calls. The check is up to the guard
/// round it, if `is_guarded`; an await that finishes what it has begun goes on after the pause, cancelled or not.
pub(crate) fn give_way_first<F: Future>(every: u32, future: F, is_guarded: bool) -> GiveWayFirst<F> {
    GiveWayFirst {
        is_guarded,
        first: Some(GiveWay {
            every,
            has_yielded: false,
        }),
        future,
    }
}

pin_project_lite::pin_project! {
    /// Made by [`give_way_first`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct GiveWayFirst<F> {
        // What is still to be done before the future starts.
        first: Option<GiveWay>,
        #[pin]
        future: F,
        is_guarded: bool,
    }
}

impl<F: Future> Future for GiveWayFirst<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Some(first) = this.first {
            let has_yielded = first.has_yielded;
            // Pending after the pause: cancelled in it. The guard fails on this, however often it asks before it does.
            if Pin::new(first).poll(cx).is_pending() && (*this.is_guarded || !has_yielded) {
                return Poll::Pending;
            }
            *this.first = None;
        }
        this.future.poll(cx)
    }
}
