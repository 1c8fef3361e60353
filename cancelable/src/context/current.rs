//! Asking for the ambient token.

use std::panic::Location;
use std::time::Duration;

use super::slot::{self, Frame};
use crate::check_point::CheckPoint;
use crate::counted;
use crate::error::Cancelled;
use crate::observe;
use crate::runtime::Task;
use crate::token::CancellationToken;

/// The ambient token: that of the innermost scope (or shield) round the code now running;
/// [`never`](CancellationToken::never) where there is none.
///
/// ```
/// use cancelable::{CancellationToken, current};
///
/// assert_eq!(current(), CancellationToken::never());
/// let token = CancellationToken::new();
/// token.sync_scope(|| assert_eq!(current(), token));
/// ```
#[must_use]
pub fn current() -> CancellationToken {
    slot::with_frame_of(Task::current(), |frame| {
        let Some(frame) = frame else {
            return CancellationToken::never();
        };
        if frame.counts_awaits() {
            // It may be asked by hand.
            counted::count();
        }
        frame.token().clone()
    })
}

/// An explicit check point: an error if the ambient token is cancelled.
///
/// One thread-local read and one atomic load; `Ok` where there is no scope.
///
/// # Errors
///
/// [`Cancelled`], with the line of this call as [`observed_at`](Cancelled::observed_at). It does not wear off: every
/// later check fails too, until the scope ends.
///
/// ```
/// use cancelable::{Cancelled, check};
///
/// fn count_primes(up_to: u32) -> Result<u32, Cancelled> {
///     let mut found = 0;
///     for n in 2..up_to {
///         check()?;
///         found += u32::from((2..n).all(|d| n % d != 0));
///     }
///     Ok(found)
/// }
/// assert_eq!(count_primes(20).unwrap(), 8);
/// ```
#[inline]
#[track_caller]
pub fn check() -> Result<(), Cancelled> {
    check_at(Location::caller())
}

/// As [`check`], which is said to be at `location`.
#[inline]
pub(crate) fn check_at(location: &'static Location<'static>) -> Result<(), Cancelled> {
    if is_quiet() { Ok(()) } else { look(location) }
}

#[cold]
fn look(location: &'static Location<'static>) -> Result<(), Cancelled> {
    if !slot::look_closer() {
        return Ok(());
    }
    slot::with(|frame| {
        frame
            .and_then(|frame| frame.notice(location, CheckPoint::Check))
            .inspect(observe::noticed)
            .map_or(Ok(()), Err)
    })
}

/// Is there nothing for a check point to look at? The fast path of all of them.
#[inline(always)]
pub(crate) fn is_quiet() -> bool {
    slot::with(|frame| frame.is_none_or(Frame::is_quiet))
}

/// As [`check`], in two steps: is the ambient token cancelled?
#[inline]
pub(crate) fn notices(location: &'static Location<'static>) -> bool {
    !is_quiet() && slot::look_closer() && slot::with(|frame| frame.is_some_and(|frame| frame.notices(location)))
}

/// The second step: the error of a check point at `location` that has found the ambient token cancelled.
#[cold]
pub(crate) fn noticed(location: &'static Location<'static>, point: CheckPoint) -> Cancelled {
    match slot::with(|frame| frame.and_then(|frame| frame.cancelled(location, point))) {
        Some(cancelled) => cancelled,
        None => panic!("a check point leaves a scope that is not cancelled; this may be a bug in cancelable"),
    }
}

/// Is the ambient token cancelled? `false` where there is none. As cheap as [`check`].
///
/// ```
/// use cancelable::{CancellationToken, is_cancelled};
///
/// /// Counts up to `to`, or as far as it gets.
/// fn count(to: u32, token: &CancellationToken) -> u32 {
///     let mut n = 0;
///     while n < to && !is_cancelled() {
///         n += 1;
///         if n == 3 {
///             token.cancel();
///         }
///     }
///     n
/// }
///
/// let token = CancellationToken::new();
/// assert_eq!(token.sync_scope(|| count(10, &token)), 3);
/// ```
#[inline]
#[must_use]
pub fn is_cancelled() -> bool {
    !is_quiet()
        && slot::look_closer()
        && slot::with(|frame| frame.is_some_and(|frame| frame.is_ours() && frame.is_cancelled()))
}

/// How long until the ambient token's deadline; `None` where there is none. Inside a shield: the shield's own.
///
/// For what takes a timeout of its own, a database's query for one:
///
/// ```
/// use cancelable::{Cancelled, cancel_scope, remaining};
/// use std::time::Duration;
///
/// let limit = cancel_scope!(timeout = "5s", { Ok::<_, Cancelled>(remaining()) });
/// assert!(limit.unwrap().unwrap() <= Duration::from_secs(5));
/// assert_eq!(remaining(), None);
/// ```
#[must_use]
pub fn remaining() -> Option<Duration> {
    current().remaining()
}
