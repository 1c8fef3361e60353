//! `Finish`: an await that asks before it starts, and then runs to its end.

use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::context::{Counts, count, with_frame};
use crate::error::Cancelled;

/// What `#[cancelable(finish)]` makes of an await: fails if the token is cancelled before the first poll, and once it has
/// started, holds outer check points off until it is done. For sends, commits and writes that must not be dropped
/// half-way.
#[track_caller]
pub(crate) fn finish<F: IntoFuture>(f: F) -> Finish<F::IntoFuture> {
    Finish {
        inner: f.into_future(),
        started: false,
        hold: Hold::new(),
        location: Location::caller(),
    }
}

pin_project_lite::pin_project! {
    /// Made by [`finish`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Finish<F> {
        #[pin]
        inner: F,
        // After `inner`, so that it is given up when that is gone.
        hold: Hold,
        started: bool,
        location: &'static Location<'static>,
    }
}

impl<F: Future> Future for Finish<F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if !*this.started {
            let location = *this.location;
            let cancelled = with_frame(|frame| match frame {
                Some(frame) if !frame.is_quiet() => frame.notice(location),
                _ => None,
            });
            if let Some(cancelled) = cancelled {
                return Poll::Ready(Err(cancelled));
            }
            *this.started = true;
        }
        let poll = this.inner.poll(cx).map(Ok);
        this.hold.set(poll.is_pending());
        poll
    }
}

/// One hold on the check points outside: taken while pending, given back at the end or on drop.
#[derive(Debug)]
pub(crate) struct Hold {
    held: bool,
}

impl Hold {
    pub(crate) const fn new() -> Self {
        Self { held: false }
    }

    pub(crate) fn set(&mut self, held: bool) {
        if self.held == held {
            return;
        }
        self.held = held;
        count(Counts::ONE_HOLD, held);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.set(false);
    }
}
