//! `Guard`: one await that the ambient token can end.

use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::stage::Stage;
use super::verdict::Before;
use crate::context::{Counts, Frame, with_frame};
use crate::error::Cancelled;
use crate::starved::{PutOff, Starved};
use crate::token::{CancellationToken, Registered};

/// Guards a future with the ambient token: what the `.await` of an annotated function does.
///
/// Before its first poll it asks the token; after that it polls the future first, and fails only if that is pending and
/// the token is cancelled. A future that is ready yields its value, even if the cancel came meanwhile. A pending one is
/// dropped there and then, unless something inside it is still unwinding from the same cancel, shielded, or finishing; or
/// unless it may be pending only because its task has used up tokio's budget for one poll. Then it is polled again with a new
/// budget, which is bounded where it never ends.
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
    Guard {
        inner: f.into_future(),
        stage: Stage::fresh(),
        location: Location::caller(),
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
    /// that, and with `inside` pending in it from before.
    pub(crate) fn go_on(self: Pin<&mut Self>, inside: Counts) {
        let stage = self.project().stage;
        stage.start();
        if inside != Counts::NOTHING {
            stage.get_or_default().counts = inside;
        }
    }
}

pin_project_lite::pin_project! {
    /// An await that the ambient token can end; made by [`guard`]. Two words more than the future it guards.
    #[must_use = "futures do nothing unless polled"]
    pub struct Guard<F> {
        #[pin]
        inner: F,
        stage: Stage<Inside>,
        location: &'static Location<'static>,
    }

    impl<F> PinnedDrop for Guard<F> {
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
fn leave(stage: &mut Stage<Inside>) {
    if let Some(mut inside) = stage.take() {
        with_frame(|frame| inside.unregister(frame));
    }
}

/// What few guards need: things pending inside, or a registration of their own.
#[derive(Default)]
struct Inside {
    counts: Counts,
    /// Under a waker that is not the scope's. It may outlive a poll, so it keeps its token.
    own: Option<Pin<Box<Registered<CancellationToken>>>>,
    /// How many polls in a row the runtime's budget has put a failure off.
    put_off: PutOff,
}

impl Inside {
    /// Registers `waker` with the frame's token; `false` if that is cancelled by now. Counts in any case: it is under this
    /// waker that the guard has to be polled before what is outside may drop it.
    fn register(&mut self, frame: &Frame<'_>, waker: &Waker) -> bool {
        if let Some(own) = &mut self.own {
            if own.token() == frame.token() {
                return own.has(waker) || own.as_mut().register(waker, true);
            }
        }
        self.unregister(Some(frame));
        let mut own = Box::pin(Registered::new(frame.token().clone()));
        let in_time = own.as_mut().register(waker, true);
        frame.add(Counts::ONE_FOREIGN);
        self.own = Some(own);
        in_time
    }

    fn unregister(&mut self, frame: Option<&Frame<'_>>) {
        if let Some(own) = self.own.take() {
            if let Some(frame) = frame {
                frame.add(Counts::NOTHING.minus(Counts::ONE_FOREIGN));
            }
            // The waker with it, which is user code, and so the last thing.
            drop(own);
        }
    }
}

impl<F: Future> Future for Guard<F> {
    type Output = Result<F::Output, Cancelled>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        with_frame(|frame| {
            let this = self.as_mut().project();
            // The usual case: nothing cancelled, nothing special inside.
            if this.stage.is_boxed() || frame.is_some_and(|frame| !frame.is_clear(!this.stage.is_fresh())) {
                return self.poll_with_care(frame, cx);
            }
            let counts = frame.map_or(Counts::NOTHING, Frame::counts);
            let poll = this.inner.poll(cx);
            if poll.is_pending() {
                let was_fresh = this.stage.is_fresh();
                this.stage.start();
                if let Some(frame) = frame {
                    // A cancel that came meanwhile is the scope's to see: it has this task polled again.
                    if frame.counts() != counts || !frame.wakes(cx.waker()) || !frame.is_quiet() {
                        return self.pending_unless_usual(frame, counts, was_fresh, cx).map(Err);
                    }
                }
            }
            poll.map(Ok)
        })
    }
}

impl<F: Future> Guard<F> {
    /// A poll under a token that wants a look, or with something inside.
    #[cold]
    fn poll_with_care(
        mut self: Pin<&mut Self>,
        frame: Option<&Frame<'_>>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<F::Output, Cancelled>> {
        let this = self.as_mut().project();
        let Some(frame) = frame else {
            return this.inner.poll(cx).map(Ok);
        };
        if this.stage.is_fresh() {
            if let Some(cancelled) = frame.notice(this.location) {
                return Poll::Ready(Err(cancelled));
            }
            this.stage.start();
        }
        let counts = frame.counts();
        let kept = this.stage.get_mut();
        let cancelled = frame.token().is_cancelled();
        let starved = Starved::before(kept.as_ref().map(|kept| &kept.put_off), cancelled);
        let inside = kept.map_or(Counts::NOTHING, |inside| inside.counts);
        let foreign = !frame.wakes(cx.waker());
        let mut before = Before {
            cancelled,
            foreign,
            told: Before::is_told(frame.token(), foreign),
            inside,
            is_check_point: true,
            starved,
        };
        match before.poll(frame, this.inner, cx) {
            Poll::Ready(output) => {
                if let Some(mut inside) = this.stage.take() {
                    inside.unregister(Some(frame));
                }
                Poll::Ready(Ok(output))
            }
            Poll::Pending => self.pending(frame, counts, &before, cx).map(Err),
        }
    }

    /// The end of a pending poll that was not under a quiet token throughout, or not a usual one.
    #[inline(never)]
    fn pending_unless_usual(
        self: Pin<&mut Self>,
        frame: &Frame<'_>,
        counts_before: Counts,
        was_fresh: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Cancelled> {
        // One that had begun has not looked at the clock so far, and may be polled without end.
        let is_usual = frame.counts() == counts_before && frame.wakes(cx.waker());
        if is_usual && (was_fresh || frame.is_clear(false)) {
            return Poll::Pending;
        }
        self.pending(frame, counts_before, &Before::default(), cx)
    }

    #[cold]
    fn pending(
        self: Pin<&mut Self>,
        frame: &Frame<'_>,
        counts_before: Counts,
        before: &Before,
        cx: &mut Context<'_>,
    ) -> Poll<Cancelled> {
        let this = self.project();
        pending(this.stage, frame, counts_before, before, this.location, cx)
    }
}

/// The rare ends of a pending poll: cancelled, something inside began or ended, or a waker that is not the scope's.
fn pending(
    stage: &mut Stage<Inside>,
    frame: &Frame<'_>,
    counts_before: Counts,
    before: &Before,
    location: &'static Location<'static>,
    cx: &mut Context<'_>,
) -> Poll<Cancelled> {
    let change = frame.counts().minus(counts_before);
    if change != Counts::NOTHING {
        let inside = stage.get_or_default();
        inside.counts = inside.counts.plus(change);
    }
    if let Some(cause) = frame.token().cause() {
        let counts = stage.get_mut().map_or(Counts::NOTHING, |inside| inside.counts);
        if before.may_fail(&cause, counts, cx) {
            let put_off = stage.get_mut().map(|inside| &inside.put_off);
            if let Some(put_off) = before.starved.puts_off(put_off, cx) {
                stage.get_or_default().put_off = put_off;
                return Poll::Pending;
            }
            if let Some(mut inside) = stage.take() {
                inside.unregister(Some(frame));
            }
            if let Some(cancelled) = frame.notice(location) {
                return Poll::Ready(cancelled);
            }
        } else if !before.cancelled && !frame.wakes(cx.waker()) {
            stage.get_or_default().register(frame, cx.waker());
        }
        return Poll::Pending;
    }
    if frame.wakes(cx.waker()) {
        if let Some(inside) = stage.get_mut() {
            inside.unregister(Some(frame));
        }
    } else if !stage.get_or_default().register(frame, cx.waker()) {
        // Cancelled since: what is inside has not seen it in this poll, so let it, at once.
        cx.waker().wake_by_ref();
    }
    Poll::Pending
}

impl<F: fmt::Debug> fmt::Debug for Guard<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("inner", &self.inner)
            .field("location", &format_args!("{}", self.location))
            .finish()
    }
}
