//! Futures that take a token along: `token.scope`, and the extension trait.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::future::FusedFuture;

use super::behaviour::Behaviour;
use super::region::Region;
use super::shield::{Shield, shield};
use super::token_origin::Existing;
use crate::context;
use crate::error::Cancelled;
use crate::token::{CancellationToken, WithCancellationTokenFuture, WithCancellationTokenFutureOwned};

pin_project_lite::pin_project! {
    /// A future under a token; made by [`CancellationToken::scope`], [`Context::scope`](crate::Context::scope) and
    /// [`in_current_scope`](CancelFutureExt::in_current_scope).
    #[must_use = "futures do nothing unless polled"]
    pub struct Scoped<F> {
        #[pin]
        region: Region<Existing, F>,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().region.poll_region(cx, |result| match result {
            Ok(output) => output,
            Err(_) => unreachable!("a token made ambient is no check point by itself"),
        })
    }
}

impl<F: Future> FusedFuture for Scoped<F> {
    fn is_terminated(&self) -> bool {
        self.region.is_over()
    }
}

impl<F> fmt::Debug for Scoped<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").finish_non_exhaustive()
    }
}

impl CancellationToken {
    /// Makes this token the ambient one whenever `f` is polled or dropped.
    ///
    /// It is no check point by itself: what is inside notices a cancel, or nothing does. For a future that has to be
    /// ended too, see [`with_cancellation`](CancelFutureExt::with_cancellation); for a deadline or a token that ends
    /// with the future, see [`Scope`](crate::Scope).
    ///
    /// The future is moved once, into the one that is returned, which is 24 bytes larger.
    ///
    /// ```
    /// use cancelable::{CancellationToken, current};
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// assert_eq!(token.scope(async { current() }).await, token);
    /// # });
    /// ```
    ///
    /// What it returns is what registers the task with the token, so it has to be kept until it is ready. One that is made, polled
    /// once and dropped, as `token.scope(inner.next())` inside a `poll_next`, is not woken by the cancel. There,
    /// [`sync_scope`](Self::sync_scope) is right.
    ///
    /// Inside it the token is in force in whatever runs there. If `f` drives an executor, that is also its other tasks: see
    /// [`sync_scope`](CancellationToken#executors-inside).
    #[track_caller]
    pub fn scope<F: Future>(&self, f: F) -> Scoped<F> {
        Scoped {
            region: Region::new(Existing(self.clone()), Behaviour::ambient(Location::caller()), f),
        }
    }
}

impl context::Context {
    /// Makes this context the ambient one whenever `f` is polled or dropped; what
    /// [`in_current_scope`](CancelFutureExt::in_current_scope) does with the ambient one.
    ///
    /// It is no check point by itself, as [`CancellationToken::scope`] is none.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Context, check};
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// let context = token.sync_scope(Context::current);
    /// token.cancel();
    /// assert!(context.scope(async { check() }).await.is_err());
    /// # });
    /// ```
    #[track_caller]
    pub fn scope<F: Future>(self, f: F) -> Scoped<F> {
        let (token, behaviour) = Behaviour::carried(self, Location::caller());
        Scoped {
            region: Region::new(Existing(token), behaviour, f),
        }
    }
}

pin_project_lite::pin_project! {
    /// A future that a token ends; made by [`with_cancellation`](CancelFutureExt::with_cancellation).
    #[must_use = "futures do nothing unless polled"]
    pub struct WithCancellation<F> {
        #[pin]
        region: Region<Existing, F>,
    }
}

impl<F: Future> WithCancellation<F> {
    pub(crate) fn at(future: F, token: CancellationToken, location: &'static Location<'static>) -> Self {
        let behaviour = Behaviour {
            is_check_point: true,
            ..Behaviour::ambient(location)
        };
        Self {
            region: Region::new(Existing(token), behaviour, future),
        }
    }

    /// One that the ambient token ends, and in which the names of the scopes round this code are known: a wait that is a call of its own.
    pub(crate) fn here(future: F, location: &'static Location<'static>) -> Self {
        let (token, mut behaviour) = Behaviour::carried(context::Context::current(), location);
        behaviour.is_check_point = true;
        // It would be one of this future, which would then be dropped.
        behaviour.about.grace = None;
        Self {
            region: Region::new(Existing(token), behaviour, future),
        }
    }
}

impl<F: Future> Future for WithCancellation<F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().region.poll_region(cx, |result| result)
    }
}

impl<F: Future> FusedFuture for WithCancellation<F> {
    fn is_terminated(&self) -> bool {
        self.region.is_over()
    }
}

impl<F> fmt::Debug for WithCancellation<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithCancellation").finish_non_exhaustive()
    }
}

/// What can be done to any future. Bring it in with `use cancelable::CancelFutureExt as _`.
pub trait CancelFutureExt: Future {
    /// Takes the ambient token along, wherever the future is polled: what to wrap a future in that is handed to a
    /// runtime this library does not know.
    ///
    /// ```
    /// use cancelable::{CancelFutureExt as _, CancellationToken, current};
    ///
    /// let token = CancellationToken::new();
    /// let task = token.sync_scope(|| async { current() }.in_current_scope());
    /// assert_eq!(futures::executor::block_on(task), token);
    /// ```
    #[track_caller]
    fn in_current_scope(self) -> Scoped<Self>
    where
        Self: Sized,
    {
        // Not by `Context::scope`: that would be one more place of the future on the stack.
        let (token, behaviour) = Behaviour::carried(context::Context::current(), Location::caller());
        Scoped {
            region: Region::new(Existing(token), behaviour, self),
        }
    }

    /// [`shield`] as a method.
    #[track_caller]
    fn shielded(self) -> Shield<Self>
    where
        Self: Sized,
    {
        shield(self)
    }

    /// Makes `token` ambient in this future, and ends it when the token is cancelled: before its first poll, or whenever
    /// it is pending and nothing inside is still getting out.
    ///
    /// # Errors
    ///
    /// [`Cancelled`], with the line of this call.
    ///
    /// ```
    /// use cancelable::{CancelFutureExt as _, CancellationToken};
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// token.cancel();
    /// assert!(std::future::pending::<()>().with_cancellation(&token).await.is_err());
    /// # });
    /// ```
    #[track_caller]
    fn with_cancellation(self, token: &CancellationToken) -> WithCancellation<Self>
    where
        Self: Sized,
    {
        WithCancellation::at(self, token.clone(), Location::caller())
    }

    /// Ends this future when the token is cancelled, with `None`: tokio-util's method of that name.
    ///
    /// The token does not become ambient, and what is inside has no time to get out. Of a token that is cancelled when this is
    /// called, the future is never polled. After that the future goes first, as in
    /// [`run_until_cancelled`](CancellationToken::run_until_cancelled).
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as the future is.
    ///
    /// ```
    /// use cancelable::{CancelFutureExt as _, CancellationToken};
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// assert_eq!(async { 42 }.with_cancellation_token(&token).await, Some(42));
    /// token.cancel();
    /// assert_eq!(async { 42 }.with_cancellation_token(&token).await, None);
    /// # });
    /// ```
    fn with_cancellation_token(self, token: &CancellationToken) -> WithCancellationTokenFuture<'_, Self>
    where
        Self: Sized,
    {
        WithCancellationTokenFuture::new(self, token)
    }

    /// As [`with_cancellation_token`](Self::with_cancellation_token), for a future that has to own its token.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as the future is.
    ///
    /// ```
    /// use cancelable::{CancelFutureExt as _, CancellationToken};
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// assert_eq!(async { 42 }.with_cancellation_token_owned(token).await, Some(42));
    /// # });
    /// ```
    fn with_cancellation_token_owned(self, token: CancellationToken) -> WithCancellationTokenFutureOwned<Self>
    where
        Self: Sized,
    {
        WithCancellationTokenFutureOwned::new(self, token)
    }
}

impl<F: Future> CancelFutureExt for F {}
