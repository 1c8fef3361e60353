//! Sleeping until a moment or a cancel, whichever comes first.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::clock;
use crate::context::{check, current, with_frame};
use crate::delay::Delay;
use crate::error::Cancelled;
use crate::guard::guard;
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
pub fn sleep(d: Duration) -> impl Future<Output = Result<(), Cancelled>> + Send {
    guard(Sleep { after: d, delay: None })
}

/// The time counts from the first poll.
struct Sleep {
    after: Duration,
    delay: Option<Delay>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        let after = this.after;
        Pin::new(this.delay.get_or_insert_with(|| Delay::after(after))).poll(cx)
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
    if !current().wait_timeout(d) {
        return Ok(());
    }
    with_frame(|frame| frame.and_then(|frame| frame.notice(location)).map_or(Ok(()), Err))
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
