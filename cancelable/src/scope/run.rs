//! Running something in a scope: a future, or a closure.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::future::FusedFuture;

use super::behaviour::Behaviour;
use super::enter::enter_sync;
use super::options::Scope;
use super::plan::Plan;
use super::region::Region;
use crate::check_point::CheckPoint;
use crate::context::{Frame, Host, current};
use crate::error::{Cancelled, FromCancelled};
use crate::live;
use crate::observe;
use crate::token::CancellationToken;

pin_project_lite::pin_project! {
    /// A scope that runs a future.
    #[must_use = "futures do nothing unless polled"]
    pub struct Run<F, O> {
        #[pin]
        region: Region<Plan, F>,
        // What to return in the body's place.
        otherwise: O,
    }
}

impl<F, O> Run<F, O> {
    fn new(scope: Scope, is_check_point: bool, location: &'static Location<'static>, body: F, otherwise: O) -> Self {
        let behaviour = Behaviour {
            is_check_point,
            owns_token: true,
            shields: false,
            is_branch: false,
            about: scope.about,
            location: scope.location.unwrap_or(location),
        };
        Self {
            region: Region::new(scope.plan, behaviour, body),
            otherwise,
        }
    }
}

/// What a scope returns in its body's place.
pub trait Otherwise<T> {
    fn value(&self, cancelled: Cancelled) -> T;

    /// Does this value stand for a failure? `None`: that cannot be told.
    fn is_failure(&self, _: &T) -> Option<bool> {
        None
    }
}

impl<T, O: Fn(Cancelled) -> T> Otherwise<T> for O {
    #[inline(always)]
    fn value(&self, cancelled: Cancelled) -> T {
        self(cancelled)
    }
}

/// The same, for types that can tell.
pub(crate) struct Telling<O>(pub(crate) O);

impl<T: FromCancelled, O: Fn(Cancelled) -> T> Otherwise<T> for Telling<O> {
    #[inline(always)]
    fn value(&self, cancelled: Cancelled) -> T {
        self.0(cancelled)
    }

    fn is_failure(&self, value: &T) -> Option<bool> {
        Some(value.is_failure())
    }
}

/// The same for results, whether their error has room for a cancel or not.
pub(super) struct TellingResult<O>(pub(super) O);

impl<T, E, O: Fn(Cancelled) -> Result<T, E>> Otherwise<Result<T, E>> for TellingResult<O> {
    #[inline(always)]
    fn value(&self, cancelled: Cancelled) -> Result<T, E> {
        self.0(cancelled)
    }

    fn is_failure(&self, value: &Result<T, E>) -> Option<bool> {
        Some(value.is_err())
    }
}

impl<F, O> Future for Run<F, O>
where
    F: Future,
    O: Otherwise<F::Output>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.region.origin().listening.is_some() {
            self.poll_listening(cx)
        } else {
            self.poll_body(cx)
        }
    }
}

impl<F, O> FusedFuture for Run<F, O>
where
    F: Future,
    O: Otherwise<F::Output>,
{
    fn is_terminated(&self) -> bool {
        self.region.is_over()
    }
}

impl<F, O> Run<F, O>
where
    F: Future,
    O: Otherwise<F::Output>,
{
    #[inline(always)]
    fn poll_body(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let otherwise = &*this.otherwise;
        this.region.poll_region(cx, |result| {
            result.unwrap_or_else(|cancelled| otherwise.value(cancelled))
        })
    }

    /// Apart, so that a scope which listens to nothing hands its output on without looking at it.
    #[inline(never)]
    fn poll_listening(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut region = self.as_mut().project().region;
        let Plan { listening, parent, .. } = region.as_mut().origin_mut();
        let is_forced = listening.as_mut().is_some_and(|listening| {
            listening.set_polled(parent, true);
            listening.is_forced(cx)
        });
        if is_forced {
            region.force();
        }
        let poll = self.as_mut().poll_body(cx);
        let this = self.project();
        let Plan { listening, parent, .. } = this.region.origin_mut();
        if let Some(listening) = listening {
            listening.set_polled(parent, false);
            if let Poll::Ready(value) = &poll {
                listening.end(this.otherwise.is_failure(value));
            }
        }
        poll
    }
}

pin_project_lite::pin_project! {
    /// A future that is made with its first poll, in the scope that it runs in.
    struct Made<C, F> {
        make: Option<C>,
        #[pin]
        future: Option<F>,
    }
}

impl<C: FnOnce() -> F, F: Future> Future for Made<C, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if let Some(make) = this.make.take() {
            put(this.future.as_mut(), make);
        }
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => panic!("the closure that makes a scope's body has panicked"),
        }
    }
}

/// Apart, so that the future's way to its place is not on the stack while it is polled.
fn put<F>(mut place: Pin<&mut Option<F>>, make: impl FnOnce() -> F) {
    place.set(Some(make()));
}

impl<F, O> Run<F, O> {
    /// One that makes its body when it begins.
    pub(super) fn of_closure<C>(
        scope: Scope,
        location: &'static Location<'static>,
        make: C,
        otherwise: O,
    ) -> Run<impl Future<Output = F::Output>, O>
    where
        C: FnOnce() -> F,
        F: Future,
        O: Otherwise<F::Output>,
    {
        let body = Made {
            make: Some(make),
            future: None,
        };
        Run::new(scope, true, location, body, otherwise)
    }
}

impl<F, O> fmt::Debug for Run<F, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run").finish_non_exhaustive()
    }
}

impl Scope {
    /// Runs a future in this scope. The scope begins with the first poll.
    ///
    /// The body is moved once, into the future that is returned, which is about a hundred bytes larger.
    ///
    /// # Errors
    ///
    /// What the body returns; [`Cancelled`](crate::Cancelled), in the shape that [`FromCancelled`] gives it, if the scope
    /// is cancelled before the body starts or while it is pending on something that does not notice.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the scope's token with kind [`Dropped`](crate::ReasonKind::Dropped), and then drops
    /// the body.
    ///
    /// # Waiting
    ///
    /// A cancelled scope waits for what is on its way out inside, such as a [shield](crate::shield()); without a
    /// [grace](Self::grace) for ever, if nobody polls that any more.
    ///
    /// # Panics
    ///
    /// A panic of the body passes through; the token is then cancelled with kind `Dropped`.
    #[track_caller]
    pub fn run<F: Future>(self, f: F) -> impl FusedFuture<Output = F::Output>
    where
        F::Output: FromCancelled,
    {
        self.run_or(f, Telling(FromCancelled::from_cancelled))
    }

    /// Runs a future in this scope, whatever it returns, and also if the scope is cancelled before it begins: for the best so far.
    ///
    /// The body is polled in any case, also behind its deadline, and what it returns counts. The scope itself does not cut it:
    /// check points inside notice the cancel, or nothing does, and then the body goes on to its end, or until a check point outside
    /// fails. So it knows no [grace](Self::grace). See [`run_anyway_sync`](Self::run_anyway_sync).
    ///
    /// ```
    /// use cancelable::{Scope, StreamEnd, StreamExt as _};
    /// use futures::{StreamExt as _, stream};
    /// use std::time::Duration;
    ///
    /// # futures::executor::block_on(async {
    /// // As many rows as come within 5 ms, and no error.
    /// let rows = stream::iter(1..4).chain(stream::pending());
    /// let rows = Scope::new()
    ///     .timeout(Duration::from_millis(5))
    ///     .run_anyway(rows.until_cancelled(StreamEnd::Now).collect::<Vec<u32>>())
    ///     .await;
    /// assert_eq!(rows, [1, 2, 3]);
    /// # });
    /// ```
    #[track_caller]
    pub fn run_anyway<F: Future>(self, f: F) -> impl FusedFuture<Output = F::Output> {
        Run::new(self, false, Location::caller(), f, |_: Cancelled| {
            unreachable!("a scope that runs its body anyway is no check point")
        })
    }

    /// As [`run`](Self::run), with what to return if there is no value of the body's.
    #[track_caller]
    pub(crate) fn run_or<F, O>(self, f: F, otherwise: O) -> Run<F, O>
    where
        F: Future,
        O: Otherwise<F::Output>,
    {
        Run::new(self, true, Location::caller(), f, otherwise)
    }

    /// As [`run`](Self::run), handing the scope's token to the body.
    ///
    /// ```
    /// use cancelable::{Cancelled, Scope};
    ///
    /// # futures::executor::block_on(async {
    /// let result: Result<(), Cancelled> = Scope::new()
    ///     .run_with(|token| async move {
    ///         std::thread::spawn(move || token.cancel_with("found it"));
    ///         std::future::pending().await
    ///     })
    ///     .await;
    /// assert_eq!(result.unwrap_err().reason().to_string(), "found it");
    /// # });
    /// ```
    #[track_caller]
    pub fn run_with<F, Fut>(self, f: F) -> impl FusedFuture<Output = Fut::Output>
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future,
        Fut::Output: FromCancelled,
    {
        Run::of_closure(
            self,
            Location::caller(),
            || f(current()),
            Telling(FromCancelled::from_cancelled),
        )
    }

    /// Runs a closure in this scope, on this thread, now.
    ///
    /// A sync body is ended by its own check points only: calls of [`check`](crate::check()) and annotated functions.
    /// A deadline ends it at the first of these after it has passed.
    ///
    /// If the body drives an executor, as `runtime.block_on(…)` does, tasks of others may run in the scope, and be cancelled with
    /// it: see [`CancellationToken::sync_scope`](CancellationToken#executors-inside).
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// ```
    /// use cancelable::{Cancelled, Scope, check};
    /// use std::time::Duration;
    ///
    /// let result: Result<(), Cancelled> = Scope::new().timeout(Duration::from_millis(5)).run_sync(|| loop {
    ///     check()?;
    /// });
    /// assert!(result.unwrap_err().is_timeout());
    /// ```
    #[track_caller]
    pub fn run_sync<T: FromCancelled>(self, f: impl FnOnce() -> T) -> T {
        self.run_sync_at(Location::caller(), |_| f())
    }

    /// As [`run_sync`](Self::run_sync), handing the scope's token to the body.
    #[track_caller]
    pub fn run_sync_with<T: FromCancelled>(self, f: impl FnOnce(&CancellationToken) -> T) -> T {
        self.run_sync_at(Location::caller(), |frame| f(frame.token()))
    }

    /// As [`run_sync`](Self::run_sync), for a body that the user's line `location` has started elsewhere.
    pub(super) fn run_sync_at<T: FromCancelled>(
        self,
        location: &'static Location<'static>,
        f: impl FnOnce(&Frame<'_>) -> T,
    ) -> T {
        let location = self.location.unwrap_or(location);
        self.enter_sync_at(location, None, is_failure, unless_cancelled(location, f))
    }

    /// Runs a closure in this scope, whatever it returns, and also if the scope is cancelled before it begins: for the best so far.
    ///
    /// The body begins in any case, also behind its deadline, and what it returns counts. Check points inside notice the cancel;
    /// [`is_cancelled`](crate::is_cancelled()) and [`take_until_cancelled`](crate::IteratorExt::take_until_cancelled) notice without an
    /// error. The limit is that of this body alone: what follows it is not cancelled by it.
    ///
    /// ```
    /// use cancelable::{IteratorExt as _, Scope, check};
    /// use std::time::Duration;
    ///
    /// /// The best of what there is time for; of the first one at least.
    /// fn best(candidates: impl Iterator<Item = u64>, limit: Duration) -> Option<u64> {
    ///     let mut candidates = candidates.fuse();
    ///     let first = candidates.next()?;
    ///     Scope::new().timeout(limit).run_anyway_sync(|| candidates.take_until_cancelled().fold(first, u64::max)).into()
    /// }
    ///
    /// assert!(best(0.., Duration::from_millis(5)) > Some(0));
    /// assert_eq!(best([3, 5, 4].into_iter(), Duration::ZERO), Some(3));
    /// assert!(check().is_ok(), "the limit was that of the search");
    /// ```
    #[track_caller]
    pub fn run_anyway_sync<R>(self, f: impl FnOnce() -> R) -> R {
        self.run_anyway_sync_telling(|_| None, f)
    }

    /// The same, where it can be told of a value whether it stands for a failure.
    #[track_caller]
    pub(crate) fn run_anyway_sync_telling<R>(self, is_failure: IsFailure<R>, f: impl FnOnce() -> R) -> R {
        let location = self.location.unwrap_or(Location::caller());
        self.enter_sync_at(location, None, is_failure, |_, _| f())
    }

    /// Check points inside ask `host`.
    pub(super) fn enter_sync_at<R>(
        mut self,
        location: &'static Location<'static>,
        host: Option<&dyn Host>,
        is_failure: IsFailure<R>,
        f: impl FnOnce(bool, &Frame<'_>) -> R,
    ) -> R {
        if let Some(listening) = &mut self.plan.listening {
            listening.never_force();
            listening.set_polled(&self.plan.parent, true);
        }
        live::begin(&mut self.about, false, location);
        let value = enter_sync(&self.plan, &self.about, host, location, f);
        if let Some(listening) = &mut self.plan.listening {
            listening.end(is_failure(&value));
        }
        value
    }
}

/// Whether a value stands for a failure; `None` if that cannot be told.
pub(crate) type IsFailure<R> = fn(&R) -> Option<bool>;

/// Of a type that can tell.
pub(crate) fn is_failure<R: FromCancelled>(value: &R) -> Option<bool> {
    Some(value.is_failure())
}

/// A body that is told whether its scope is cancelled from the start, and does not start then.
pub(super) fn unless_cancelled<T: FromCancelled>(
    location: &'static Location<'static>,
    f: impl FnOnce(&Frame<'_>) -> T,
) -> impl FnOnce(bool, &Frame<'_>) -> T {
    move |is_cancelled, frame| match is_cancelled
        .then(|| frame.notice(location, CheckPoint::Scope))
        .flatten()
    {
        Some(cancelled) => {
            observe::noticed(&cancelled);
            T::from_cancelled(cancelled)
        }
        None => f(frame),
    }
}
