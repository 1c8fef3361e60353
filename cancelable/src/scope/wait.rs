//! How code waits for tasks: as a check point that never fails.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::guard::{Guard, Hold, guard};
use crate::token::CancellationToken;

/// What is waited for.
pub(in crate::scope) trait Awaited: Unpin {
    type Output;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Self::Output>;

    /// Of the tasks: under a cancel of this one they are on their way out.
    fn token(&self) -> &CancellationToken;
}

/// Waits for something of tasks.
///
/// As a check point does, except that it never fails: under a waker that is not its scope's it is registered, so that
/// check points outside have it polled after a cancel before they may drop it. By then it holds them off, since the errors of
/// the tasks are the innermost; or, if the cancel is none of the tasks', they may.
pub(in crate::scope) struct Wait<A> {
    guard: Guard<Poller<A>>,
    /// The guard has seen such a cancel.
    is_told: bool,
}

struct Poller<A> {
    awaited: A,
    hold: Hold,
}

impl<A: Awaited> Wait<A> {
    #[track_caller]
    pub(in crate::scope) fn new(awaited: A) -> Self {
        let mut guard = guard(Poller {
            awaited,
            hold: Hold::new(),
        });
        Pin::new(&mut guard).go_on(false);
        Self { guard, is_told: false }
    }
}

impl<A: Awaited> Future for Wait<A> {
    type Output = A::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        if self.is_told {
            return Pin::new(self.guard.inner_mut()).poll(cx);
        }
        match Pin::new(&mut self.guard).poll(cx) {
            Poll::Ready(Ok(output)) => return Poll::Ready(output),
            Poll::Ready(Err(_)) => self.is_told = true,
            Poll::Pending => {}
        }
        Poll::Pending
    }
}

impl<A: Awaited> Future for Poller<A> {
    type Output = A::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<A::Output> {
        let this = &mut *self;
        let poll = this.awaited.poll(cx);
        this.hold
            .set(poll.is_pending() && this.awaited.token().is_cancelled(), cx.waker());
        poll
    }
}
