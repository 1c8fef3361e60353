//! `Guard`: one await that the ambient token can end.

use std::any;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomData;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::future::FusedFuture;

use super::stage::{Boxed, Stage, StageMark};
use super::verdict::{Before, Waits};
use crate::cause::Cause;
use crate::check_point::CheckPoint;
use crate::context::{Frame, Inside, Mark, ask_hosts, beat, is_noted_since, is_silent_since, mark, pass, with_frame};
use crate::error::Cancelled;
use crate::here::{Here, Somewhere};
use crate::meter::{self, Event};
use crate::observe::{self, Pass};
use crate::pending::{Kind, note_got_out};
use crate::primitive::Arc;
use crate::token::{CancellationToken, Registered};

/// Guards a future with the ambient token: what the `.await` of an annotated function does.
///
/// Before its first poll it asks the token; after that it polls the future first, and fails only if that is pending and
/// the token is cancelled. A future that is ready yields its value, even if the cancel came meanwhile. A pending one is
/// dropped there and then, unless something inside it, or left over from an earlier await of the same scope, is still
/// unwinding from the same cancel, shielded, or finishing; or unless it may be pending only because its task has used up
/// tokio's budget for one poll. Then it is polled again with a new budget, which is bounded where it never ends. (In a branch that has
/// lost a [race](crate::race()) it fails before it polls, if it waits for plain code: nobody would get what that yields.)
///
/// Without an ambient token it does nothing. It registers nothing by itself either: the scope's task is woken by the
/// scope. (Under another waker than the one that the scope was polled with, as in `FuturesUnordered` or in a `block_on`
/// within a poll, it does register, for as long as it is pending.)
///
/// # Errors
///
/// [`Cancelled`], with the line of this call as [`observed_at`](Cancelled::observed_at).
///
/// # Cancel safety
///
/// A cancel that finds the future pending drops it, as `select!` would: the future should be cancel safe, or be
/// [shielded](crate::shield()).
///
/// ```
/// use cancelable::{Cancelled, Scope, guard};
/// use std::time::Duration;
///
/// # futures::executor::block_on(async {
/// let result: Result<(), Cancelled> = Scope::new()
///     .timeout(Duration::from_millis(5))
///     .run(async { guard(std::future::pending()).await })
///     .await;
/// assert!(result.unwrap_err().is_timeout());
/// # });
/// ```
#[track_caller]
pub fn guard<F: IntoFuture>(f: F) -> Guard<F::IntoFuture> {
    guard_here(f)
}

/// The same in a function that the error is to name.
#[track_caller]
pub(crate) fn guard_here<F: IntoFuture, H: Here>(f: F) -> Guard<F::IntoFuture, H> {
    Guard {
        inner: f.into_future(),
        stage: Stage::fresh(),
        location: Location::caller(),
        here: PhantomData,
    }
}

impl<F> Guard<F> {
    pub(crate) fn inner(&self) -> &F {
        &self.inner
    }

    /// For a guard that is not pinned.
    pub(crate) fn inner_mut(&mut self) -> &mut F {
        &mut self.inner
    }

    pub(crate) fn inner_pin(self: Pin<&mut Self>) -> Pin<&mut F> {
        self.project().inner
    }

    pub(crate) fn location(&self) -> &'static Location<'static> {
        self.location
    }

    /// Begins anew with what the same future does next, which is a stream: started, for its owner asks the token before
    /// that. If it `gives_up` once its race is lost, it is not asked for what it waits for in plain code once more then.
    pub(crate) fn go_on(self: Pin<&mut Self>, gives_up: bool) {
        let stage = self.project().stage;
        stage.start();
        if gives_up {
            stage.start_plain();
        }
    }
}

pin_project_lite::pin_project! {
    /// An await that the ambient token can end; made by [`guard`]. Two words more than the future it guards.
    #[must_use = "futures do nothing unless polled"]
    pub struct Guard<F, H = Somewhere> {
        #[pin]
        inner: F,
        stage: Stage<Special>,
        location: &'static Location<'static>,
        here: PhantomData<H>,
    }

    impl<F, H> PinnedDrop for Guard<F, H> {
        fn drop(this: Pin<&mut Self>) {
            let stage = this.project().stage;
            if stage.is_boxed() {
                leave(stage);
            }
        }
    }
}

/// A guard with something inside goes away.
#[cold]
fn leave(stage: &mut Stage<Special>) {
    if let Some(mut special) = stage.take() {
        special.as_mut().end();
    }
}

pin_project_lite::pin_project! {
    /// What few guards need: things pending inside, or a registration of their own.
    #[derive(Default)]
    struct Special {
        inside: Inside,
        // Under a waker that is not the scope's. It may outlive a poll, so it keeps its token.
        #[pin]
        own: Option<Registered<CancellationToken>>,
        waits: Waits,
        // As `Stage::start_plain`.
        is_plain: bool,
    }
}

impl Boxed for Special {}

impl Special {
    /// Registers `waker` with the frame's token; `false` if that is cancelled by now. Counts in any case: it is under this
    /// waker that the guard has to be polled before what is outside may drop it.
    fn register(mut self: Pin<&mut Self>, frame: &Frame<'_>, waker: &Waker) -> bool {
        let token = frame.token();
        if let Some(own) = self.as_mut().project().own.as_pin_mut() {
            if own.token() == token {
                return own.has(waker) || own.register(waker, true);
            }
        }
        self.as_mut().unregister();
        let mut this = self.project();
        this.inside.set(Kind::Foreign, true);
        this.own.set(Some(Registered::new(token.clone())));
        this.own.as_pin_mut().is_some_and(|own| own.register(waker, true))
    }

    fn unregister(self: Pin<&mut Self>) {
        let mut this = self.project();
        if let Some(own) = this.own.as_ref().as_pin_ref() {
            if own.token().is_marked() {
                note_got_out();
            }
            this.inside.set(Kind::Foreign, false);
            // The waker with it, which is user code, and so the last thing.
            this.own.set(None);
        }
    }

    /// The guard is done, or goes away. What is registered goes with this, after it.
    fn end(self: Pin<&mut Self>) {
        let this = self.project();
        let own = this.own.as_ref().as_pin_ref();
        if own.is_some_and(|own| own.token().is_marked()) {
            note_got_out();
        }
        this.inside.end();
    }
}

impl<F: Future, H: Here> Future for Guard<F, H> {
    type Output = Result<F::Output, Cancelled>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.as_mut().project();
        let is_fresh = this.stage.is_fresh();
        if is_fresh {
            pass(this.location, Pass::Await);
        }
        // The usual case: nothing cancelled, nothing special inside.
        if this.stage.is_boxed() || with_frame(|frame| frame.is_some_and(|frame| !frame.is_clear(!is_fresh))) {
            return self.poll_with_care(cx);
        }
        let mark = mark();
        let poll = this.inner.poll(cx);
        if poll.is_pending() {
            let was = this.stage.mark();
            this.stage.start();
            // A cancel that came meanwhile is the scope's to see: it has this task polled again.
            // (Another look at the frame: if a coroutine has suspended in there, the one before may be gone.)
            let is_usual = |frame: &Frame<'_>| frame.wakes(cx.waker()) && frame.is_quiet_for_await();
            if is_noted_since(mark) || !with_frame(|frame| frame.is_none_or(is_usual)) {
                return self.pending_unless_usual(mark, was, cx).map(Err);
            }
        } else {
            if is_noted_since(mark) {
                loosen_since(mark);
            }
            if !is_fresh {
                pass(this.location, Pass::Resumed);
            }
        }
        poll.map(Ok)
    }
}

/// For a future that knows its end (`guard(future.fuse())`), as `futures::select!` asks; the guard knows its own.
impl<F: FusedFuture, H: Here> FusedFuture for Guard<F, H> {
    fn is_terminated(&self) -> bool {
        self.stage.is_over() || self.inner.is_terminated()
    }
}

/// Has nothing been awaited in this frame since `mark` by code that would notice a cancel? Where that is not counted: who knows.
fn is_plain_since(mark: Mark, frame: Option<&Frame<'_>>) -> bool {
    is_silent_since(mark) && frame.is_some_and(Frame::counts_awaits)
}

/// The await is over in which these were polled.
#[cold]
fn loosen_since(mark: Mark) {
    with_frame(|frame| {
        if let Some(frame) = frame {
            frame.loosen_since(mark);
        }
    });
}

impl<F: Future, H: Here> Guard<F, H> {
    /// A poll under a token that wants a look, or with something inside.
    #[cold]
    fn poll_with_care(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<F::Output, Cancelled>> {
        ask_hosts();
        let this = self.as_mut().project();
        let may_be_plain = match this.stage.get() {
            Some(special) => special.is_plain,
            None => this.stage.mark().is_fresh_or_plain(),
        };
        let is_cancelled = with_frame(|frame| {
            let frame = frame.filter(|frame| frame.wakes(cx.waker()) || frame.is_ours())?;
            let is_fresh = this.stage.is_fresh();
            if is_fresh {
                beat();
            } else if meter::is_on() {
                meter::pass(Event::Resume, this.location);
            }
            // What comes of a loser goes to nobody: what it takes would be lost.
            if is_fresh || may_be_plain && frame.has_lost() {
                if let Some(cancelled) = frame.notice(this.location, CheckPoint::Await) {
                    return Some(Err(H::tell(cancelled)));
                }
            }
            if !this.stage.is_boxed() {
                this.stage.start();
            }
            Some(Ok(!frame.is_known_quiet() && frame.token().is_cancelled()))
        });
        let mut before = match is_cancelled {
            None => return self.poll_elsewhere(cx),
            Some(Err(cancelled)) => {
                leave(this.stage);
                this.stage.end();
                return Poll::Ready(Err(cancelled));
            }
            Some(Ok(false)) => {
                // It waits for nothing any more, if it did, under another token, and is not to be woken for it.
                if let Some(special) = this.stage.get() {
                    special.project().waits.rest();
                }
                Before::default()
            }
            Some(Ok(true)) => with_frame(|frame| before_cancelled(this.stage, frame, cx)),
        };
        let mut new = Inside::NOTHING;
        let inside = match this.stage.get() {
            Some(special) => special.project().inside,
            None => &mut new,
        };
        with_frame(|frame| {
            if let Some(frame) = frame {
                frame.await_first_question();
            }
        });
        let mark = mark();
        let poll = before.poll(inside, this.inner, cx);
        if new.is_some() {
            *this.stage.get_or_default().project().inside = new;
        }
        match poll {
            Poll::Ready(output) => {
                pass(this.location, Pass::Resumed);
                // (One that is pending is not got on with for being polled.)
                beat();
                leave(this.stage);
                Poll::Ready(Ok(output))
            }
            Poll::Pending => with_frame(|frame| {
                if meter::is_on() {
                    meter::pass(Event::Wait, self.location);
                }
                let is_plain = may_be_plain && is_plain_since(mark, frame);
                let stage = self.as_mut().project().stage;
                match stage.get() {
                    Some(special) => *special.project().is_plain = is_plain,
                    None if is_plain => stage.start_plain(),
                    None => {}
                }
                match frame {
                    Some(frame) => self.pending(frame, &mut before, cx).map(Err),
                    None => Poll::Pending,
                }
            }),
        }
    }

    /// A poll where there is no scope, or in that of another task: the guard counts in none from then on. It stays registered, for
    /// whoever shares it may still be where it was, and is to be woken.
    #[cold]
    fn poll_elsewhere(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<F::Output, Cancelled>> {
        let this = self.project();
        let poll = this.inner.poll(cx);
        if poll.is_ready() {
            leave(this.stage);
        } else if let Some(special) = this.stage.get() {
            special.project().inside.note(cx.waker());
        } else {
            this.stage.start();
        }
        poll.map(Ok)
    }

    /// The end of a pending poll that was not under a quiet token throughout, or not a usual one.
    #[inline(never)]
    fn pending_unless_usual(
        mut self: Pin<&mut Self>,
        mark: Mark,
        was: StageMark,
        cx: &mut Context<'_>,
    ) -> Poll<Cancelled> {
        with_frame(|frame| {
            let Some(frame) = frame else {
                return Poll::Pending;
            };
            if was.is_fresh_or_plain() && is_plain_since(mark, Some(frame)) {
                self.as_mut().project().stage.start_plain();
            }
            let is_own = frame.wakes(cx.waker());
            // One that had begun has not looked at the clock so far, and may be polled without end.
            if !is_noted_since(mark) && is_own && (was.is_fresh() || frame.is_clear(false)) {
                return Poll::Pending;
            }
            if !is_own && !frame.is_ours() {
                return Poll::Pending;
            }
            let mut inside = Inside::NOTHING;
            inside.adopt_since(mark);
            if inside.is_some() {
                *self.as_mut().project().stage.get_or_default().project().inside = inside;
            }
            self.pending(frame, &mut Before::default(), cx)
        })
    }

    #[inline(never)]
    fn pending(self: Pin<&mut Self>, frame: &Frame<'_>, before: &mut Before, cx: &mut Context<'_>) -> Poll<Cancelled> {
        let this = self.project();
        if let Some(cause) = frame.cause() {
            if let Some(cancelled) = pending_cancelled(this.stage, frame, before, &cause, this.location, cx) {
                let cancelled = H::tell(cancelled);
                observe::dropped(any::type_name::<F>, frame.observed(), &cancelled);
                return Poll::Ready(cancelled);
            }
        } else if !frame.wakes(cx.waker()) {
            let is_plain = this.stage.mark().is_fresh_or_plain();
            let mut special = this.stage.get_or_default();
            *special.as_mut().project().is_plain |= is_plain;
            if !special.register(frame, cx.waker()) {
                // Cancelled since: what is inside has not seen it in this poll, so let it, at once.
                cx.waker().wake_by_ref();
            }
        } else if let Some(special) = this.stage.get() {
            special.unregister();
        }
        if let Some(special) = this.stage.get() {
            special.project().inside.note_in(frame, cx.waker());
        }
        Poll::Pending
    }
}

/// What is known when a poll under a cancelled token begins.
#[cold]
fn before_cancelled(stage: &mut Stage<Special>, frame: Option<&Frame<'_>>, cx: &Context<'_>) -> Before {
    let waits = stage.get().map(|special| mem::take(special.project().waits));
    frame.map_or_else(Before::default, |frame| {
        Before::cancelled(frame.token(), !frame.wakes(cx.waker()), waits.unwrap_or_default())
    })
}

/// A poll has ended pending under a cancelled token: the error, unless it waits.
#[cold]
fn pending_cancelled(
    stage: &mut Stage<Special>,
    frame: &Frame<'_>,
    before: &mut Before,
    cause: &Arc<Cause>,
    location: &'static Location<'static>,
    cx: &mut Context<'_>,
) -> Option<Cancelled> {
    let inside = match stage.get() {
        Some(special) => &*special.project().inside,
        None => const { &Inside::NOTHING },
    };
    if before.may_fail(inside, cause, frame, cx) {
        if !before.is_put_off(cx) {
            inside.withdraw();
            leave(stage);
            return frame.fail(location, CheckPoint::Await).inspect(|_| stage.end());
        }
    } else if !frame.wakes(cx.waker()) {
        // One that was spared when it began, and waits, counts as well.
        let special = stage.get_or_default();
        if !before.cancelled || special.own.is_none() {
            special.register(frame, cx.waker());
        }
    }
    if before.waits.is_some() {
        *stage.get_or_default().project().waits = mem::take(&mut before.waits);
    }
    None
}

impl<F: fmt::Debug, H> fmt::Debug for Guard<F, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("inner", &self.inner)
            .field("location", &format_args!("{}", self.location))
            .finish()
    }
}
