//! What a check point does whose future is pending under a cancelled token: fail now, or wait for what is inside.
//!
//! L12 in one place; used by awaits and by scopes. The reasoning is that of the contract, §5.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::cause::Cause;
use crate::context::{Frame, Inside, with_frame};
use crate::pending::{Kind, Progress, Question, Waiter, note_waited, progress};
use crate::primitive::Arc;
use crate::starved::{PutOff, Starved};
use crate::token::CancellationToken;

/// How many polls that move nothing it takes to be sure that nobody inside will be polled any more. A bound, for there may
/// be busy code in there that never ends.
const PATIENCE: usize = 32;
/// In how many polls in a row a check point lets others go first that wait inside it.
const LET_GO_FIRST: u8 = 32;

/// What a check point keeps from poll to poll while it is cancelled, and waits.
#[derive(Default)]
pub(crate) struct Waits {
    /// How many polls in a row the runtime's budget has put a failure off.
    put_off: PutOff,
    /// And for how many it has let others go first.
    let_go_first: u8,
    /// What the holds wake for which it waits: with it goes what they know of it.
    waiter: Option<std::sync::Arc<Waiter>>,
}

impl Waits {
    /// Is there something to keep?
    pub(crate) fn is_some(&self) -> bool {
        self.waiter.is_some() || self.put_off.is_some() || self.let_go_first > 0
    }

    /// The check point is being polled: until it asks anew, it does not wait.
    pub(crate) fn rest(&self) {
        if let Some(waiter) = &self.waiter {
            waiter.rest();
        }
    }
}

/// What a check point knew when its poll began; by default, that its token was not cancelled.
#[derive(Default)]
pub(crate) struct Before {
    /// The token was cancelled.
    pub(crate) cancelled: bool,
    /// It fails, if it may.
    may_fail: bool,
    /// The check point is polled under a waker that is not its scope's.
    pub(crate) foreign: bool,
    /// Everyone under a foreign waker had been woken; those that waited for others as well, if it is not foreign itself.
    pub(crate) told: bool,
    /// How many foreign waiters had got out, and how often check points had waited.
    progress: Progress,
    starved: Starved,
    /// As the last poll left it, and to be kept for the next one.
    pub(crate) waits: Waits,
}

impl Before {
    /// The poll of a check point begins whose token is cancelled.
    #[cold]
    pub(crate) fn cancelled(token: &CancellationToken, foreign: bool, waits: Waits) -> Self {
        waits.rest();
        Self {
            cancelled: true,
            may_fail: true,
            foreign,
            told: Self::is_told(token, foreign),
            progress: progress(),
            starved: Starved::before(&waits.put_off, true),
            waits,
        }
    }

    /// The poll begins of what does not fail, `cancelled` or not.
    pub(crate) fn spared(cancelled: bool) -> Self {
        Self {
            cancelled,
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
    ///
    /// If it is pending it is to be noted, or its announcement taken back.
    pub(crate) fn poll<F: Future>(
        &mut self,
        inside: &mut Inside,
        mut inner: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let poll = inside.poll(|| inner.as_mut().poll(cx));
        if poll.is_pending() && self.may_fail {
            return self.poll_again(inside, inner, cx);
        }
        poll
    }

    /// The same, of what has been polled already, in another frame, and is pending.
    pub(crate) fn go_on<F: Future>(
        &mut self,
        inside: &mut Inside,
        inner: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        if self.may_fail {
            self.poll_again(inside, inner, cx)
        } else {
            Poll::Pending
        }
    }

    /// The poll began when this had happened, and so many had been [put off](crate::starved::put_off_so_far).
    pub(crate) fn since(self, progress: Progress, put_off: usize) -> Self {
        Self {
            progress,
            starved: self.starved.since(put_off),
            ..self
        }
    }

    #[inline(never)]
    fn poll_again<F: Future>(
        &mut self,
        inside: &mut Inside,
        mut inner: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        let mut poll = Poll::Pending;
        let mut patience = PATIENCE;
        while poll.is_pending() && patience > 0 && with_frame(|frame| self.is_stuck(inside, frame)) {
            patience -= 1;
            // Each time, for it may be a keeper only since the poll before.
            let mark = inside.announce();
            poll = inner.as_mut().poll(cx);
            inside.adopt_since(mark);
        }
        if poll.is_pending() && !with_frame(|frame| has(inside, frame, Question::any(Kind::Hold))) {
            let mark = inside.announce();
            poll = self.starved.ask(inner, cx);
            inside.adopt_since(mark);
        }
        if poll.is_ready() {
            inside.withdraw();
        }
        poll
    }

    /// Is there somebody left inside who has been told, is not held, and does not get out? (Not if one has waited in this poll: that one
    /// has the task polled again. If each level of nested awaits polled again at once for it, there would be no end to it.)
    fn is_stuck(&self, inside: &Inside, frame: Option<&Frame<'_>>) -> bool {
        self.told
            && self.progress.got_out == progress().got_out
            && self.progress.waited == progress().waited
            && !has(inside, frame, Question::any(Kind::Hold))
            && has(inside, frame, Question::any(Kind::Foreign))
    }

    /// May the check point drop its pending future and fail? If not, it will be woken when that may have changed.
    #[cold]
    pub(crate) fn may_fail(
        &mut self,
        inside: &Inside,
        cause: &Arc<Cause>,
        frame: &Frame<'_>,
        cx: &Context<'_>,
    ) -> bool {
        let waited = progress().waited;
        let may_fail = self.is_free(inside, cause, frame, cx) && !self.lets_others_go_first(waited, cx);
        if self.cancelled && !may_fail {
            note_waited();
        }
        may_fail
    }

    /// Has a check point inside waited in this poll, before what it waited for was gone? It is to get out by itself.
    fn lets_others_go_first(&mut self, waited: u32, cx: &Context<'_>) -> bool {
        if waited == self.progress.waited {
            self.waits.let_go_first = 0;
            return false;
        }
        self.waits.let_go_first += 1;
        if self.waits.let_go_first > LET_GO_FIRST {
            return false;
        }
        cx.waker().wake_by_ref();
        true
    }

    /// Is there nothing inside that would be harmed?
    fn is_free(&mut self, inside: &Inside, cause: &Arc<Cause>, frame: &Frame<'_>, cx: &Context<'_>) -> bool {
        if !self.cancelled {
            // It came in the middle of the poll: what had been polled by then has not seen it.
            cx.waker().wake_by_ref();
            return false;
        }
        if self.is_held(inside, frame, cx.waker()) {
            // A shield or a finishing await is on its way; it wakes this task when it gets on.
            return false;
        }
        if !has(inside, Some(frame), Question::any(Kind::Foreign)) {
            return true;
        }
        // Some check points inside wait under wakers of their own.
        if !self.told {
            // Not all of them have been woken, or not long enough to be polled.
            self.wake_when_told(cause, cx.waker());
            return false;
        }
        if self.progress.got_out != progress().got_out {
            // They are getting out one by one: let them.
            cx.waker().wake_by_ref();
            return false;
        }
        // All have been woken and these polls moved none of them: their owner does not poll them any more.
        true
    }

    /// Is a check point that may fail put off because of the runtime's budget? Then the task is polled again.
    pub(crate) fn is_put_off(&mut self, cx: &Context<'_>) -> bool {
        self.starved.puts_off(&mut self.waits.put_off, cx)
    }

    /// Is there a hold? Then the task is woken when that has ended or moved.
    fn is_held(&mut self, inside: &Inside, frame: &Frame<'_>, waker: &Waker) -> bool {
        if !has(inside, Some(frame), Question::any(Kind::Hold)) {
            self.waits.waiter = None;
            return false;
        }
        let kept = self.waits.waiter.take().filter(|kept| kept.will_wake(waker));
        let waiter = kept.unwrap_or_else(|| Waiter::new(waker));
        let is_held = has(inside, Some(frame), Question::waiting(Kind::Hold, &waiter));
        self.waits.waiter = Some(waiter);
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

/// Is something of this kind inside, or loose where a failure would drop it as well?
fn has(inside: &Inside, frame: Option<&Frame<'_>>, question: Question<'_>) -> bool {
    let own = inside.get().map(|keeper| keeper.place());
    inside.has(question) || frame.is_some_and(|frame| frame.has_loose(question, own))
}
