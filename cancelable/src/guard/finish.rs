//! `Finish`: an await that asks before it starts, and then runs to its end.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::check_point::CheckPoint;
use crate::context::{Inside, check_at, is_noted_since, with_frame};
use crate::error::Cancelled;
use crate::here::Here;
use crate::pending::Kind;

/// What `#[cancelable(finish)]` makes of an await: fails if the token is cancelled before the first poll, and once it has
/// started, holds outer check points off until it is done. For sends, commits and writes that must not be dropped
/// half-way.
#[track_caller]
pub(crate) fn finish<F: IntoFuture, H: Here>(f: F) -> Finish<F::IntoFuture, H> {
    Finish {
        inner: f.into_future(),
        started: false,
        hold: Hold::new(),
        location: Location::caller(),
        here: PhantomData,
    }
}

pin_project_lite::pin_project! {
    /// Made by [`finish`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Finish<F, H> {
        #[pin]
        inner: F,
        // After `inner`, so that it is given up when that is gone.
        hold: Hold,
        started: bool,
        location: &'static Location<'static>,
        here: PhantomData<H>,
    }
}

impl<F: Future, H: Here> Future for Finish<F, H> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if !*this.started {
            if let Err(cancelled) = check_at(this.location) {
                return Poll::Ready(Err(H::name(cancelled.at(CheckPoint::Await))));
            }
            *this.started = true;
        }
        let announced = this.hold.0.announce();
        let poll = this.inner.poll(cx).map(Ok);
        if poll.is_pending() || this.hold.0.is_some() {
            this.hold.0.adopt_since(announced);
        } else if is_noted_since(announced) {
            with_frame(|frame| {
                if let Some(frame) = frame {
                    frame.loosen_since(announced);
                }
            });
        }
        this.hold.set(poll.is_pending(), cx.waker());
        poll
    }
}

/// One hold on the check points outside: from the first poll that is pending to the end, or drop.
#[derive(Default)]
pub(crate) struct Hold(Inside);

impl Hold {
    pub(crate) const fn new() -> Self {
        Self(Inside::NOTHING)
    }

    /// After each poll of what holds, with this waker: is it pending?
    #[inline]
    pub(crate) fn set(&mut self, held: bool, waker: &Waker) {
        if held {
            self.0.set(Kind::Hold, true);
            self.0.note(waker);
        } else {
            self.end();
        }
    }

    #[inline]
    fn end(&mut self) {
        if self.0.is_some() {
            self.0.end();
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&self.0.is_some()).finish()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.end();
    }
}
