//! Running something in a scope: a future, or a closure.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::enter::enter_sync;
use super::nature::Nature;
use super::options::Scope;
use super::plan::Plan;
use super::region::{Given, Make, Region, With};
use crate::context::Frame;
use crate::error::{Cancelled, FromCancelled};
use crate::token::CancellationToken;

pin_project_lite::pin_project! {
    /// The future of [`Scope::run`].
    #[must_use = "futures do nothing unless polled"]
    struct Run<M, F, O> {
        plan: Plan,
        #[pin]
        region: Region<M, F>,
        // What to return in the body's place.
        otherwise: O,
    }
}

impl<M, F, O> Run<M, F, O> {
    fn new(scope: Scope, location: &'static Location<'static>, make: M, otherwise: O) -> Self {
        let nature = Nature {
            is_check_point: true,
            owns_token: true,
            shields: false,
            about: scope.about,
            location,
        };
        Self {
            plan: scope.plan,
            region: Region::new(nature, make),
            otherwise,
        }
    }
}

impl<M, F, O> Future for Run<M, F, O>
where
    M: Make<F>,
    F: Future,
    O: Fn(Cancelled) -> F::Output,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        if self.plan.listening.is_none() {
            return self.poll_body(cx);
        }
        let this = self.as_mut().project();
        if this
            .plan
            .listening
            .as_mut()
            .is_some_and(|listening| listening.is_forced(cx))
        {
            this.region.force();
        }
        let poll = self.as_mut().poll_body(cx);
        if let (true, Some(listening)) = (poll.is_ready(), &self.plan.listening) {
            listening.end();
        }
        poll
    }
}

impl<M, F, O> Run<M, F, O>
where
    M: Make<F>,
    F: Future,
    O: Fn(Cancelled) -> F::Output,
{
    /// Apart, so that a scope which listens to nothing hands its output on without looking at it.
    #[inline(never)]
    fn poll_body(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let (plan, otherwise) = (&*this.plan, &*this.otherwise);
        this.region
            .poll_region(|| plan.begin(), cx, |result| result.unwrap_or_else(otherwise))
    }
}

impl Scope {
    /// Runs a future in this scope. The scope begins with the first poll.
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
    /// # Panics
    ///
    /// A panic of the body passes through; the token is then cancelled with kind `Dropped`.
    #[track_caller]
    pub fn run<F: Future>(self, f: F) -> impl Future<Output = F::Output>
    where
        F::Output: FromCancelled,
    {
        self.run_or(f, FromCancelled::from_cancelled)
    }

    /// As [`run`](Self::run), with what to return if there is no value of the body's.
    #[track_caller]
    pub(crate) fn run_or<F, O>(self, f: F, otherwise: O) -> impl Future<Output = F::Output>
    where
        F: Future,
        O: Fn(Cancelled) -> F::Output,
    {
        Run::new(self, Location::caller(), Given(f), otherwise)
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
    pub fn run_with<F, Fut>(self, f: F) -> impl Future<Output = Fut::Output>
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future,
        Fut::Output: FromCancelled,
    {
        Run::new(self, Location::caller(), With(f), FromCancelled::from_cancelled)
    }

    /// Runs a closure in this scope, on this thread, now.
    ///
    /// A sync body is ended by its own check points only: calls of [`check`](crate::check()) and annotated functions.
    /// A deadline ends it at the first of these after it has passed.
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
        self.enter_sync_at(location, |is_cancelled, frame| {
            match is_cancelled.then(|| frame.notice(location, None)).flatten() {
                Some(cancelled) => T::from_cancelled(cancelled),
                None => f(frame),
            }
        })
    }

    /// Runs a closure of any type, also in a scope that is cancelled already: its first check point is what notices.
    #[track_caller]
    pub(crate) fn enter_sync<R>(self, f: impl FnOnce() -> R) -> R {
        self.enter_sync_at(Location::caller(), |_, _| f())
    }

    fn enter_sync_at<R>(mut self, location: &'static Location<'static>, f: impl FnOnce(bool, &Frame<'_>) -> R) -> R {
        if let Some(listening) = &mut self.plan.listening {
            listening.never_force();
        }
        let value = enter_sync(self.plan.begin(), &self.about, location, f);
        if let Some(listening) = &self.plan.listening {
            listening.end();
        }
        value
    }
}
