//! Running a future until a token is cancelled: tokio-util's way, which drops the future.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::handle::CancellationToken;
use super::wait::{WaitForCancellationFuture, WaitForCancellationFutureOwned, Waits};
use crate::starved::{PutOff, Starved};

impl CancellationToken {
    /// Runs `f` until it is done (`Some`) or the token is cancelled (`None`, and `f` is dropped where it stands).
    ///
    /// `f` goes first: if it is ready, its output counts, also if the token was cancelled meanwhile. If the token is
    /// cancelled when this is first polled, `f` is not polled at all.
    ///
    /// To let `f` notice the cancel and clean up, give it a [scope](crate::Scope) instead.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as `f` is.
    pub async fn run_until_cancelled<F: Future>(&self, f: F) -> Option<F::Output> {
        WithCancellationTokenFuture::new(f, self).await
    }

    /// As [`run_until_cancelled`](Self::run_until_cancelled), for a future that has to own its token.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as `f` is.
    pub async fn run_until_cancelled_owned<F: Future>(self, f: F) -> Option<F::Output> {
        self.run_until_cancelled(f).await
    }
}

pin_project_lite::pin_project! {
    /// A future, until something else is done.
    struct RunUntil<F, C> {
        #[pin]
        future: F,
        #[pin]
        cancelled: C,
        // How many polls in a row the runtime's budget has put the end off.
        put_off: PutOff,
    }
}

impl<F, C> RunUntil<F, C> {
    fn new(future: F, cancelled: C) -> Self {
        Self {
            future,
            cancelled,
            put_off: PutOff::default(),
        }
    }
}

impl<F: Future, C: Waits> Future for RunUntil<F, C> {
    type Output = Option<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        let mut this = self.project();
        let mut starved = Starved::before(this.put_off, this.cancelled.is_marked());
        if let Poll::Ready(output) = this.future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        ready!(this.cancelled.poll(cx));
        if let Poll::Ready(output) = starved.ask(this.future, cx) {
            return Poll::Ready(Some(output));
        }
        if starved.puts_off(this.put_off, cx) {
            Poll::Pending
        } else {
            Poll::Ready(None)
        }
    }
}

// As `wait_future!`: the two differ in whether they own their token.
macro_rules! run_until_future {
    ($(#[$meta:meta])* $name:ident <$($lifetime:lifetime,)? F> ($token:ty, $cancelled:ident -> $wait:ty)) => {
        pin_project_lite::pin_project! {
            $(#[$meta])*
            #[must_use = "futures do nothing unless polled"]
            pub struct $name<$($lifetime,)? F> {
                // `None`: cancelled from the start.
                #[pin]
                run: Option<RunUntil<F, $wait>>,
            }
        }

        impl<$($lifetime,)? F> $name<$($lifetime,)? F> {
            pub(crate) fn new(future: F, token: $token) -> Self {
                Self {
                    run: (!token.is_cancelled()).then(|| RunUntil::new(future, token.$cancelled())),
                }
            }
        }

        impl<$($lifetime,)? F: Future> Future for $name<$($lifetime,)? F> {
            type Output = Option<F::Output>;

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
                match self.project().run.as_pin_mut() {
                    Some(run) => run.poll(cx),
                    None => Poll::Ready(None),
                }
            }
        }

        impl<$($lifetime,)? F> fmt::Debug for $name<$($lifetime,)? F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

run_until_future! {
    /// A future that a token ends; made by [`with_cancellation_token`](crate::CancelFutureExt::with_cancellation_token).
    WithCancellationTokenFuture<'a, F>(&'a CancellationToken, cancelled -> WaitForCancellationFuture<'a>)
}

run_until_future! {
    /// A future that a token ends which it owns; made by
    /// [`with_cancellation_token_owned`](crate::CancelFutureExt::with_cancellation_token_owned).
    WithCancellationTokenFutureOwned<F>(CancellationToken, cancelled_owned -> WaitForCancellationFutureOwned)
}
