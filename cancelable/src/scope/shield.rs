//! Shields: stretches of code in which outer cancellation is not observed. For cleanup.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::future::FusedFuture;

use super::behaviour::Behaviour;
use super::enter::enter_sync;
use super::options::Scope;
use super::plan::Plan;
use super::region::Region;
use super::token_origin::Root;
use crate::context::{About, Outside};
use crate::error::FromCancelled;
use crate::live;

/// Runs a future without its seeing the cancellation of the code outside; not even one that has come already.
///
/// While it is pending, the check points outside wait for it, through unannotated functions too; once it is done, the
/// next check point fails. Scopes opened inside work as ever, below the shield's own token, which is the ambient one
/// there. Bound it with [`timeout`](Shield::timeout), or with the [grace](Scope::grace) of the scope outside.
///
/// In an [annotated](macro@crate::cancelable) function, `#[cancelable(shield)]` on a statement or block is shorter, and lets `?` leave the
/// function. For clean-up that has to run whichever way a scope ends, see [`cancel_scope!`](crate::cancel_scope#finally-clean-up).
///
/// The future is moved once, into the one that is returned, which is 24 bytes larger, or about a hundred with a timeout.
///
/// The await of a shield should not be guarded: that is, `shield(f).await`, as it is written, also in an annotated
/// function, which leaves it alone.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, guard, shield, sleep};
/// use std::time::Duration;
///
/// # futures::executor::block_on(async {
/// let token = CancellationToken::new();
/// let work = token.scope(async {
///     let result = guard(std::future::pending::<()>()).await;
///     // The cancel has come, and yet this can wait: for a connection to be closed, for example.
///     shield(sleep(Duration::from_millis(1))).await.expect("not cancelled in here");
///     result
/// });
/// token.cancel_after(Duration::from_millis(1));
/// assert!(work.await.unwrap_err().is_timeout());
/// # });
/// ```
///
/// # What it holds off
///
/// While it is pending, no check point fails whose failing would drop it, wherever it began: also if it is polled by reference in
/// the iterations of a `select!` loop, or is a member of a `FuturesUnordered` in a `while let` loop, and the cancel comes in a
/// later iteration. If another scope or task goes on with it (a `Shared` future, a pooled connection), it is held there, and no
/// longer where it began. Three things are beyond it:
///
/// - A loop that leaves, as by `?` on the first error of a crowd, drops the crowd, shields and all. Use a
///   [`TaskGroup`](crate::TaskGroup), [`try_join!`](crate::try_join!), one await over the whole crowd (`join_all`, `collect`), or
///   a loop that keeps the errors and goes on.
/// - A scope waits also for a shield that nobody polls any more; for ever, if it has no [grace](Scope::grace). A loop that
///   neither polls it nor waits for anything is spared by its checks 1,000 times.
/// - In code without check points a plain `crowd.next().await` may leave a shield behind unnoticed. [`guard`](crate::guard())
///   that await.
#[track_caller]
pub fn shield<F: Future>(f: F) -> Shield<F> {
    Shield {
        region: Region::new(Root, behaviour(false, Location::caller()), f),
        location: Location::caller(),
    }
}

fn behaviour(is_check_point: bool, location: &'static Location<'static>) -> Behaviour {
    Behaviour {
        is_check_point,
        owns_token: true,
        shields: true,
        is_branch: false,
        about: About::nothing(Outside::Shielded),
        location,
    }
}

pin_project_lite::pin_project! {
    /// A shielded future; made by [`shield`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Shield<F> {
        #[pin]
        region: Region<Root, F>,
        location: &'static Location<'static>,
    }
}

impl<F: Future> Future for Shield<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().region.poll_region(cx, |result| match result {
            Ok(output) => output,
            Err(_) => unreachable!("a shield without a timeout is no check point"),
        })
    }
}

impl<F> Shield<F> {
    /// Bounds the shield: when it has run this long, counted from its first poll, what is inside is cancelled, and
    /// dropped if it does not notice. `None` is no bound.
    ///
    /// ```
    /// use cancelable::{Cancelled, shield};
    /// use std::time::Duration;
    ///
    /// # futures::executor::block_on(async {
    /// let cleanup = async { Ok::<(), Cancelled>(std::future::pending().await) };
    /// let result = shield(cleanup).timeout(Duration::from_millis(5)).await;
    /// assert!(result.unwrap_err().is_timeout());
    /// # });
    /// ```
    #[track_caller]
    pub fn timeout(self, after: impl Into<Option<Duration>>) -> ShieldWithTimeout<F>
    where
        F: Future<Output: FromCancelled>,
    {
        let plan = Scope::new().detached().timeout(after).plan;
        ShieldWithTimeout {
            region: self.region.into_other(plan, behaviour(true, self.location)),
        }
    }
}

pin_project_lite::pin_project! {
    /// A shielded future with a bound; made by [`Shield::timeout`].
    #[must_use = "futures do nothing unless polled"]
    pub struct ShieldWithTimeout<F> {
        #[pin]
        region: Region<Plan, F>,
    }
}

impl<F: Future<Output: FromCancelled>> Future for ShieldWithTimeout<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let region = self.project().region;
        region.poll_region(cx, |result| result.unwrap_or_else(FromCancelled::from_cancelled))
    }
}

/// Runs a closure without its seeing the cancellation of the code outside.
///
/// ```
/// use cancelable::{CancellationToken, check, shield_sync};
///
/// let token = CancellationToken::new();
/// token.cancel();
/// token.sync_scope(|| {
///     assert!(shield_sync(check).is_ok());
///     assert!(check().is_err());
/// });
/// ```
#[track_caller]
pub fn shield_sync<R>(f: impl FnOnce() -> R) -> R {
    let location = Location::caller();
    live::with_shield(location, |about| enter_sync(&Root, about, None, location, |_, _| f()))
}

/// As [`shield_sync`], with a bound that the check points inside observe; what `shield!(timeout = …, { … })` expands to.
#[track_caller]
pub(crate) fn shield_sync_timeout<T: FromCancelled>(after: impl Into<Option<Duration>>, f: impl FnOnce() -> T) -> T {
    Scope::new().detached().timeout(after).run_sync(f)
}

impl<F: Future> FusedFuture for Shield<F> {
    fn is_terminated(&self) -> bool {
        self.region.is_over()
    }
}

impl<F: Future<Output: FromCancelled>> FusedFuture for ShieldWithTimeout<F> {
    fn is_terminated(&self) -> bool {
        self.region.is_over()
    }
}

impl<F> fmt::Debug for Shield<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shield").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for ShieldWithTimeout<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShieldWithTimeout").finish_non_exhaustive()
    }
}
