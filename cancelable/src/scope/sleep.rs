//! Sleeping until a moment or a cancel, whichever comes first.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures_core::future::FusedFuture;

use crate::check_point::CheckPoint;
use crate::clock;
use crate::context::{beat, check, current, with_frame};
use crate::delay::Delay;
use crate::error::Cancelled;
use crate::guard::{Guard, guard};
use crate::meter::{self, Event};
use crate::observe;
use crate::park::block_on;

/// Sleeps for `d`, or until the ambient token is cancelled. On any runtime, or none: the library's timer thread wakes the
/// task (or a paused tokio clock does).
///
/// It notices the cancel by itself, also in functions that are not annotated: hence the `?`.
///
/// # Errors
///
/// [`Cancelled`], with the line of this call. Not if the time is up as well: what is done is done.
///
/// # Cancel safety
///
/// Dropping it loses nothing.
///
/// ```
/// use cancelable::{Cancelled, Scope, sleep};
/// use std::time::Duration;
///
/// async fn poll_for_news() -> Result<(), Cancelled> {
///     loop {
///         sleep(Duration::from_secs(60)).await?;
///         // look for news
///     }
/// }
///
/// # futures::executor::block_on(async {
/// let cancelled = Scope::new().timeout(Duration::from_millis(5)).run(poll_for_news()).await;
/// assert!(cancelled.unwrap_err().is_timeout());
/// # });
/// ```
#[track_caller]
pub fn sleep(d: Duration) -> Sleep {
    Sleep {
        guard: guard(Timer {
            after: Some(d),
            at: None,
            delay: None,
            is_over: false,
        }),
    }
}

/// Made by [`sleep`]: a future that can be kept and moved, as tokio's of that name.
///
/// ```
/// use cancelable::{Cancelled, Sleep, cancelable, sleep};
/// use std::{pin::pin, time::Duration};
///
/// /// Waits until nothing has come for so long.
/// #[cancelable]
/// async fn settled(news: flume::Receiver<u32>, quiet: Duration) -> Result<u32, Cancelled> {
///     let mut last = 0;
///     let mut is_quiet = pin!(sleep(quiet));
///     loop {
///         tokio::select! {
///             biased;
///             Ok(n) = news.recv_async() => {
///                 last = n;
///                 is_quiet.as_mut().reset(quiet);
///             }
///             over = &mut is_quiet => return over.map(|()| last),
///         }
///     }
/// }
///
/// # futures::executor::block_on(async {
/// let (sender, news) = flume::unbounded();
/// sender.send(1).unwrap();
/// sender.send(2).unwrap();
/// assert_eq!(settled(news, Duration::from_millis(1)).await.unwrap(), 2);
/// # });
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Sleep {
    guard: Guard<Timer>,
}

impl Sleep {
    /// When it is over. `None` before the first poll, from which the time counts, and if that is too far away for the clock.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.guard.inner().at
    }

    /// Is the time up? Not before the first poll.
    #[must_use]
    pub fn is_elapsed(&self) -> bool {
        self.deadline().is_some_and(|at| at <= clock::now().at)
    }

    /// Begins anew: `d` from its next poll on, whether it was over or not.
    ///
    /// Its error is then that of the line of this call.
    #[track_caller]
    pub fn reset(mut self: Pin<&mut Self>, d: Duration) {
        self.set(sleep(d));
    }

    /// Begins anew, and is over at this moment of the clock in force where it is polled.
    ///
    /// Its error is then that of the line of this call.
    #[track_caller]
    pub fn reset_to(mut self: Pin<&mut Self>, at: Instant) {
        let timer = Timer {
            after: None,
            at: Some(at),
            delay: None,
            is_over: false,
        };
        self.set(Self { guard: guard(timer) });
    }
}

impl Future for Sleep {
    type Output = Result<(), Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.guard).poll(cx)
    }
}

/// Terminated once it is over, or has failed, until it is [reset](Sleep::reset).
impl FusedFuture for Sleep {
    fn is_terminated(&self) -> bool {
        self.guard.is_terminated()
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("deadline", &self.deadline())
            .finish_non_exhaustive()
    }
}

struct Timer {
    /// To be counted from the first poll.
    after: Option<Duration>,
    at: Option<Instant>,
    delay: Option<Delay>,
    is_over: bool,
}

impl FusedFuture for Timer {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.delay.is_none() {
            let now = clock::now();
            if let Some(after) = this.after {
                this.at = now.at.checked_add(after);
            }
            this.delay = Some(this.at.map_or(Delay::Never, |at| Delay::until(at, now.is_virtual)));
        }
        let poll = match &mut this.delay {
            Some(delay) => Pin::new(delay).poll(cx),
            None => Poll::Pending,
        };
        this.is_over |= poll.is_ready();
        poll
    }
}

/// Blocks this thread for `d`, or until the ambient token is cancelled, which wakes it at once.
///
/// # Errors
///
/// [`Cancelled`], with the line of this call.
///
/// ```
/// use cancelable::{CancellationToken, blocking_sleep};
/// use std::time::Duration;
///
/// let token = CancellationToken::new();
/// token.cancel_after(Duration::from_millis(5));
/// let result = token.sync_scope(|| blocking_sleep(Duration::from_secs(3600)));
/// assert!(result.unwrap_err().is_timeout());
/// ```
#[track_caller]
pub fn blocking_sleep(d: Duration) -> Result<(), Cancelled> {
    if clock::is_hand_driven() {
        return sleep_by_hand(d);
    }
    let location = Location::caller();
    if meter::is_on() {
        meter::pass(Event::Point, location);
    }
    beat();
    if !current().wait_timeout(d) {
        beat();
        return Ok(());
    }
    with_frame(|frame| {
        frame
            .and_then(|frame| frame.notice(location, CheckPoint::Check))
            .inspect(observe::noticed)
            .map_or(Ok(()), Err)
    })
}

/// By moments, not by durations: another thread may move the clock at any time.
#[track_caller]
fn sleep_by_hand(d: Duration) -> Result<(), Cancelled> {
    let end = clock::now().at.checked_add(d);
    // Nobody watches a deadline by this clock while its thread is blocked: so as far as there first.
    let deadline = current().deadline();
    if let Some(deadline) = deadline.filter(|deadline| end.is_none_or(|end| *deadline < end)) {
        block_on(guard(Delay::until(deadline, true)))?;
        check()?;
    }
    block_on(guard(end.map_or(Delay::Never, |end| Delay::until(end, true))))
}
