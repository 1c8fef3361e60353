//! What a check point does whose future is pending under a cancelled token: fail now, or wait for what is inside.
//!
//! L12 in one place; used by awaits and by scopes. The reasoning is that of the contract, §5.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::cause::Cause;
use crate::context::{Frame, Inside, Mark, mark, with_frame};
use crate::pending::{Kind, Question, Waiter, got_out};
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
    /// What is pending inside.
    pub(crate) inside: Inside,
    /// What holds have woken, whom this check point waits for: with it goes what they know of it.
    pub(crate) waiter: Option<std::sync::Arc<Waiter>>,
    /// How many foreign waiters had got out.
    pub(crate) got_out: u32,
    /// It fails, if its token is cancelled and it may.
    pub(crate) is_check_point: bool,
    pub(crate) starved: Starved,
}

impl Before {
    /// The poll began without a cancel.
    pub(crate) fn uncancelled(inside: Inside) -> Self {
        Self {
            inside,
            ..Self::default()
        }
    }

    /// Had everyone been woken by the cancel of this token, if there was one, for whom this check point has to wait?
    #[cold]
    pub(crate) fn is_told(token: &CancellationToken, foreign: bool) -> bool {
        token
            .cause()
            .is_some_and(|cause| if foreign { cause.is_told() } else { cause.is_all_told() })
    }

    /// Polls what is inside; and again, at once, if that moved nothing though check points in there have been told: their
    /// owner may have busy members to poll first, of which one like `FuturesUnordered` polls but a few at a time.
    pub(crate) fn poll<F: Future>(&mut self, mut inner: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let outside = self.inside.announce();
        self.got_out = got_out();
        let poll = self.poll_once(inner.as_mut(), cx);
        self.poll_on(poll, outside, inner, cx)
    }

    /// The same, of what has been polled already, in another frame, and is pending.
    pub(crate) fn go_on<F: Future>(&mut self, inner: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let outside = self.inside.announce();
        self.poll_on(Poll::Pending, outside, inner, cx)
    }

    fn poll_on<F: Future>(
        &mut self,
        mut poll: Poll<F::Output>,
        outside: Mark,
        mut inner: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        if self.cancelled && self.is_check_point {
            let mut patience = PATIENCE;
            while poll.is_pending() && patience > 0 && with_frame(|frame| self.is_stuck(frame)) {
                patience -= 1;
                poll = self.poll_once(inner.as_mut(), cx);
            }
            if poll.is_pending() && !with_frame(|frame| self.has(frame, Question::any(Kind::Hold))) {
                let mark = mark();
                poll = self.starved.ask(inner, cx);
                self.inside.adopt_since(mark);
            }
        }
        self.inside.adopt_since(outside);
        poll
    }

    fn poll_once<F: Future>(&mut self, inner: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mark = mark();
        let poll = inner.poll(cx);
        self.inside.adopt_since(mark);
        poll
    }

    /// Is something of this kind inside, or loose where a failure would drop it as well?
    fn has(&self, frame: Option<&Frame<'_>>, question: Question<'_>) -> bool {
        let own = self.inside.get().map(|keeper| keeper.place());
        self.inside.has(question) || frame.is_some_and(|frame| frame.has_loose(question, own))
    }

    /// Is there somebody left inside who has been told, is not held, and does not get out?
    fn is_stuck(&self, frame: Option<&Frame<'_>>) -> bool {
        self.told
            && self.got_out == got_out()
            && !self.has(frame, Question::any(Kind::Hold))
            && self.has(frame, Question::any(Kind::Foreign))
    }

    /// May the check point drop its pending future and fail? If not, it will be woken when that may have changed.
    pub(crate) fn may_fail(&mut self, cause: &Arc<Cause>, frame: &Frame<'_>, cx: &Context<'_>) -> bool {
        if !self.cancelled {
            // It came in the middle of the poll: what had been polled by then has not seen it.
            cx.waker().wake_by_ref();
            return false;
        }
        if self.is_held(frame, cx.waker()) {
            // A shield or a finishing await is on its way; it wakes this task when it gets on.
            return false;
        }
        if !self.has(Some(frame), Question::any(Kind::Foreign)) {
            return true;
        }
        // Some check points inside wait under wakers of their own.
        if !self.told {
            // Not all of them have been woken, or not long enough to be polled.
            self.wake_when_told(cause, cx.waker());
            return false;
        }
        if self.got_out != got_out() {
            // They are getting out one by one: let them.
            cx.waker().wake_by_ref();
            return false;
        }
        // All have been woken and these polls moved none of them: their owner does not poll them any more.
        true
    }

    /// Is there a hold? Then the task is woken when that has ended or moved.
    fn is_held(&mut self, frame: &Frame<'_>, waker: &Waker) -> bool {
        if !self.has(Some(frame), Question::any(Kind::Hold)) {
            self.waiter = None;
            return false;
        }
        let kept = self.waiter.take().filter(|kept| kept.will_wake(waker));
        let waiter = kept.unwrap_or_else(|| Waiter::new(waker));
        let is_held = self.has(Some(frame), Question::waiting(Kind::Hold, &waiter));
        self.waiter = Some(waiter);
        is_held
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
