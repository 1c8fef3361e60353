//! Readers and writers of async code, whatever the traits are.

use std::fmt;
use std::future::Future as _;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::check_point::CheckPoint;
use crate::context::current;
use crate::error::Cancelled;
use crate::token::{CancellationToken, WaitForCancellationFutureOwned};

/// Has an async reader or writer end with the token that is ambient *here*, wherever it is polled: in a connection's task, by hyper,
/// in `tokio::io::copy`.
///
/// It implements `AsyncRead`, `AsyncWrite` and `AsyncBufRead` of tokio (feature `tokio`) and of futures (feature `smol`) where what is inside
/// does.
///
/// - *A read* fails when the token is cancelled, before it takes anything, or while it is pending.
/// - *A write* fails only between messages. A message begins with the first write, and ends with a flush or a shutdown. So one that has
///   begun is written to its end, all the calls of a `write_all` included, and no peer sees half of it. Who never flushes never ends one.
///   [`cutting_writes`](CheckedAsync::cutting_writes) has writes fail at any time.
/// - *Flush and shutdown* are never cut, unless writes are. What holds them up for too long, a scope's
///   [grace](crate::Scope::grace) ends.
///
/// # Errors
///
/// Of the calls: [`Cancelled`](crate::Cancelled), as the inside of an [`io::Error`], with the line of *this* call.
///
/// # Cancel safety
///
/// Its calls are as cancel safe as those of what is inside.
///
/// ```
/// # #[cfg(feature = "tokio")]
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// use cancelable::{CancellationToken, io::checked_async};
/// use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex, simplex};
///
/// let token = CancellationToken::new();
/// let (ours, mut theirs) = duplex(64);
/// let mut ours = token.sync_scope(|| checked_async(ours));
///
/// ours.write_all(b"half a ").await.unwrap();
/// token.cancel();
/// assert!(ours.read_u8().await.is_err());                         // would be pending for ever
/// ours.write_all(b"message").await.unwrap();                      // but this is the other half
/// ours.flush().await.unwrap();
/// assert!(ours.write_all(b"another").await.is_err());
///
/// drop(ours);
/// let mut said = String::new();
/// theirs.read_to_string(&mut said).await.unwrap();
/// assert_eq!(said, "half a message");
/// # });
/// ```
#[track_caller]
pub fn checked_async<T>(inner: T) -> CheckedAsync<T> {
    CheckedAsync {
        inner,
        token: current(),
        location: Location::caller(),
        waiting: None,
        cuts: false,
        is_in_message: false,
    }
}

pin_project_lite::pin_project! {
    /// An async reader or writer that ends with a token; made by [`checked_async`].
    pub struct CheckedAsync<T> {
        #[pin]
        inner: T,
        token: CancellationToken,
        location: &'static Location<'static>,
        // Has the task woken by a cancel, once a call has been pending.
        waiting: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
        cuts: bool,
        // Something has been written and not been flushed.
        is_in_message: bool,
    }
}

/// Fails if `token` is cancelled: somebody awaits this.
#[cold]
fn check_awaited(token: &CancellationToken, location: &'static Location<'static>) -> Result<(), Cancelled> {
    token
        .check_at(location)
        .map_err(|cancelled| cancelled.at(CheckPoint::Await))
}

impl<T> CheckedAsync<T> {
    /// Takes another token than the ambient one.
    #[must_use]
    pub fn with_token(mut self, token: &CancellationToken) -> Self {
        self.token = token.clone();
        self.waiting = None;
        self
    }

    /// Has writes, flush and shutdown fail as reads do: at any time, half-way through a message as well.
    #[must_use]
    pub fn cutting_writes(mut self) -> Self {
        self.cuts = true;
        self
    }

    /// The reader or writer inside.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The reader or writer inside, to be used without checks.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The reader or writer inside.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.inner
    }

    /// Polls what is inside; if `may_fail`, as a check point.
    #[inline]
    fn poll_checked<'a, R>(
        self: Pin<&'a mut Self>,
        cx: &mut Context<'_>,
        may_fail: bool,
        poll: impl FnOnce(Pin<&'a mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let this = self.project();
        if may_fail && this.token.is_cancelled() {
            check_awaited(this.token, this.location)?;
        }
        let polled = poll(this.inner, cx);
        if polled.is_pending() && may_fail {
            let waiting = this
                .waiting
                .get_or_insert_with(|| Box::pin(this.token.clone().cancelled_owned()));
            if waiting.as_mut().poll(cx).is_ready() {
                check_awaited(this.token, this.location)?;
            }
        }
        polled
    }

    #[inline]
    pub(super) fn poll_reading<'a, R>(
        self: Pin<&'a mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&'a mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        self.poll_checked(cx, true, poll)
    }

    #[inline]
    pub(super) fn poll_writing(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let may_fail = self.cuts || !self.is_in_message;
        let polled = self.as_mut().poll_checked(cx, may_fail, poll);
        if let Poll::Ready(Ok(1..)) = polled {
            *self.project().is_in_message = true;
        }
        polled
    }

    /// The end of a message: a flush or a shutdown.
    #[inline]
    pub(super) fn poll_ending(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<()>>,
    ) -> Poll<io::Result<()>> {
        let may_fail = self.cuts;
        let polled = self.as_mut().poll_checked(cx, may_fail, poll);
        if let Poll::Ready(Ok(())) = polled {
            *self.project().is_in_message = false;
        }
        polled
    }

    #[inline]
    pub(super) fn pinned(self: Pin<&mut Self>) -> Pin<&mut T> {
        self.project().inner
    }
}

impl<T: fmt::Debug> fmt::Debug for CheckedAsync<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedAsync")
            .field("inner", &self.inner)
            .field("token", &self.token)
            .finish_non_exhaustive()
    }
}
