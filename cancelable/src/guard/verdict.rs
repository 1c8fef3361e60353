//! What a check point does whose future is pending under a cancelled token: fail now, or wait for what is inside.
//!
//! L12 in one place; used by awaits and by scopes. The reasoning is that of the contract, §5.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::cause::Cause;
use crate::context::{Counts, Frame};
use crate::primitive::Arc;
use crate::starved::Starved;
use crate::token::CancellationToken;

/// How many polls that move nothing it takes to be sure that nobody inside will be polled any more. A bound, for there may
/// be busy code in there that never ends.
const PATIENCE: usize = 32;

/// What a check point knew when its poll began; by default, that its token was not cancelled and nothing was inside.
#[derive(Default)]
pub(crate) struct Before {
    /// The token was cancelled.
    pub(crate) cancelled: bool,
    /// The check point is polled under a waker that is not its scope's.
    pub(crate) foreign: bool,
    /// Everyone under a foreign waker had been woken; those that waited for others as well, if it is not foreign itself.
    pub(crate) told: bool,
    /// What was pending inside.
    pub(crate) inside: Counts,
    /// It fails, if its token is cancelled and it may.
    pub(crate) is_check_point: bool,
    pub(crate) starved: Starved,
}

impl Before {
    /// Had everyone been woken by the cancel of this token, if there was one, for whom this check point has to wait?
    #[cold]
    pub(crate) fn is_told(token: &CancellationToken, foreign: bool) -> bool {
        token
            .cause()
            .is_some_and(|cause| if foreign { cause.is_told() } else { cause.is_all_told() })
    }

    /// Polls what is inside; and again, at once, if that moved nothing though check points in there have been told: their
    /// owner may have busy members to poll first, of which one like `FuturesUnordered` polls but a few at a time.
    pub(crate) fn poll<F: Future>(
        &mut self,
        frame: &Frame<'_>,
        mut inner: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let counts = frame.counts();
        let mut poll = inner.as_mut().poll(cx);
        for _ in 0..PATIENCE {
            if poll.is_ready() || !self.is_stuck(self.inside.plus(frame.counts().minus(counts))) {
                break;
            }
            poll = inner.as_mut().poll(cx);
        }
        let holds = self.inside.plus(frame.counts().minus(counts)).holds();
        if poll.is_pending() && self.cancelled && self.is_check_point && holds <= 0 {
            poll = self.starved.ask(inner, cx);
        }
        poll
    }

    /// Is there somebody left inside who has been told, is not held, and does not get out?
    fn is_stuck(&self, inside: Counts) -> bool {
        self.told && inside.holds() <= 0 && inside.foreign() > 0 && inside.foreign() >= self.inside.foreign()
    }

    /// May the check point drop its pending future and fail? If not, it will be woken when that may have changed.
    pub(crate) fn may_fail(&self, cause: &Arc<Cause>, inside: Counts, cx: &Context<'_>) -> bool {
        if !self.cancelled {
            // It came in the middle of the poll: what had been polled by then has not seen it.
            cx.waker().wake_by_ref();
            return false;
        }
        if inside.holds() > 0 {
            // A shield or a finishing await is on its way; it wakes this task when it gets on.
            return false;
        }
        if inside.foreign() <= 0 {
            return true;
        }
        // Some check points inside wait under wakers of their own.
        if !self.told {
            // Not all of them have been woken, or not long enough to be polled.
            self.wake_when_told(cause, cx.waker());
            return false;
        }
        if inside.foreign() < self.inside.foreign() {
            // They are getting out one by one: let them.
            cx.waker().wake_by_ref();
            return false;
        }
        // All have been woken and these polls moved none of them: their owner does not poll them any more.
        true
    }

    fn wake_when_told(&self, cause: &Arc<Cause>, waker: &Waker) {
        let in_time = if self.foreign {
            cause.wake_when_told(waker)
        } else {
            cause.wake_when_all_told(waker)
        };
        if !in_time {
            waker.wake_by_ref();
        }
    }
}
