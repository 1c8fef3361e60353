//! The extension trait.

use futures_core::stream::Stream;

use super::scoped::{ScopedStream, WithCancellationStream};
use super::until::{StreamEnd, UntilCancelled};
use crate::context::Context;
use crate::token::CancellationToken;

/// What can be done to any stream. Bring it in with `use cancelable::StreamExt as _`, beside futures' own.
///
/// A loop over a stream in an annotated function needs none of this: its awaits are check points, and the function fails
/// there; or, if the loop is marked `#[cancelable(break)]`, goes on after it. This is for code that is to stop taking items
/// and then go on, where there is no such loop, or where an item that is on its way matters.
///
/// For streams whose items are produced side by side (`buffered`, `buffer_unordered`): a cancel drops no item that is shielded, in
/// whichever iteration it comes, and lets annotated ones get out by themselves. But a loop that leaves with the first error, as by
/// `item?`, drops the stream with all that is still on its way in there, as does `try_collect`. Keep the error, and go on until
/// the stream is over; or use a [`TaskGroup`](crate::TaskGroup).
pub trait StreamExt: Stream {
    /// Ends the stream when the ambient token is cancelled: with `None`, as if there were no more items, so that whatever
    /// consumes it finishes in good order. [`cancelled`](UntilCancelled::cancelled) says afterwards whether that was it,
    /// and why. `end` says what becomes of the items that are on their way.
    ///
    /// The ambient token is that of the code that polls the stream, as it is for every check point: within a shield the
    /// stream goes on. To have a stream follow one token wherever it is polled, or to end the intake and not the work, see
    /// [`until_cancelled_by`](Self::until_cancelled_by). In a [`Scope`](crate::Scope) or an annotated function, what is
    /// awaited after the stream's end fails unless it is [shielded](crate::shield()): the scope is cancelled. There a loop
    /// over the stream has to be marked `#[cancelable(skip)]`, lest it fail before the stream can end.
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as the stream is; and a `next()` that is dropped loses nothing.
    ///
    /// ```
    /// use cancelable::{CancellationToken, StreamEnd, StreamExt as _};
    /// use futures::StreamExt as _;
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// let (sender, receiver) = futures::channel::mpsc::unbounded();
    /// sender.unbounded_send("last words").unwrap();
    /// token
    ///     .scope(async {
    ///         let mut messages = receiver.until_cancelled(StreamEnd::Drain { at_most: 1000 });
    ///         token.cancel_with("shutting down");
    ///         while let Some(message) = messages.next().await {
    ///             assert_eq!(message, "last words");
    ///         }
    ///         // The sender is still there: it was the cancel that ended the loop.
    ///         let cancelled = messages.cancelled().unwrap();
    ///         assert_eq!(cancelled.reason().to_string(), "shutting down");
    ///     })
    ///     .await;
    /// # });
    /// ```
    #[track_caller]
    fn until_cancelled(self, end: StreamEnd) -> UntilCancelled<Self>
    where
        Self: Sized,
    {
        UntilCancelled::new(self, None, end)
    }

    /// As [`until_cancelled`](Self::until_cancelled), with a token of its own in place of the ambient one.
    ///
    /// It does not become ambient: what produces the items goes on under the token that it had. And outer check points
    /// act on the ambient token as ever, so this is how annotated code stops taking items and carries on. (If it is one
    /// and the same cancel that has reached both tokens, they are held off for the last item as with `until_cancelled`.)
    ///
    /// ```
    /// use cancelable::{CancellationToken, Cancelled, StreamEnd, StreamExt as _, cancelable};
    /// use futures::{Stream, StreamExt as _};
    ///
    /// #[cancelable]
    /// async fn total(numbers: impl Stream<Item = u32>, intake: &CancellationToken) -> Result<u32, Cancelled> {
    ///     let mut numbers = std::pin::pin!(numbers.until_cancelled_by(intake, StreamEnd::Now));
    ///     let mut total = 0;
    ///     while let Some(n) = numbers.next().await {
    ///         total += n;
    ///         if total > 10 {
    ///             intake.cancel_with("enough");
    ///         }
    ///     }
    ///     Ok(total)
    /// }
    ///
    /// # futures::executor::block_on(async {
    /// let intake = CancellationToken::new();
    /// assert_eq!(total(futures::stream::iter(1..), &intake).await.unwrap(), 15);
    /// # });
    /// ```
    #[track_caller]
    fn until_cancelled_by(self, token: &CancellationToken, end: StreamEnd) -> UntilCancelled<Self>
    where
        Self: Sized,
    {
        UntilCancelled::new(self, Some(token), end)
    }

    /// Takes the ambient context along, wherever the stream is polled: for one that is made in a scope and read elsewhere, such as
    /// the body of a response. See [`CancelFutureExt::in_current_scope`](crate::CancelFutureExt::in_current_scope).
    ///
    /// It is no check point by itself: annotated code inside fails, or nothing does.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Cancelled, StreamExt as _, cancelable};
    /// use futures::{Stream, StreamExt as _, stream};
    ///
    /// #[cancelable]
    /// async fn page(n: u32) -> Result<u32, Cancelled> {
    ///     Ok(n)
    /// }
    ///
    /// /// Fetches pages as they are asked for, under the token of the scope that this is called in.
    /// fn pages() -> impl Stream<Item = Result<u32, Cancelled>> {
    ///     stream::iter(1..=3).then(page).in_current_scope()
    /// }
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// let mut pages = std::pin::pin!(token.sync_scope(pages));
    /// assert_eq!(pages.next().await.unwrap().unwrap(), 1);
    /// token.cancel();
    /// assert!(pages.next().await.unwrap().is_err());
    /// # });
    /// ```
    fn in_current_scope(self) -> ScopedStream<Self>
    where
        Self: Sized,
    {
        Context::current().scope_stream(self)
    }

    /// Makes `token` ambient in this stream, and ends it when the token is cancelled: with one `Err` after the items, and then
    /// `None` for ever. The likeness of [`CancelFutureExt::with_cancellation`](crate::CancelFutureExt::with_cancellation); when it
    /// is cut is told at [`StreamEnd::Now`].
    ///
    /// To end a stream without an error, as if there were no more items, see
    /// [`until_cancelled_by`](Self::until_cancelled_by).
    ///
    /// # Cancel safety
    ///
    /// As cancel safe as the stream is; and a `next()` that is dropped loses nothing.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Cancelled, StreamExt as _};
    /// use futures::{StreamExt as _, TryStreamExt as _, stream};
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// let rows = stream::iter(1..).inspect(|n| if *n == 3 { token.cancel() });
    /// let mut rows = rows.with_cancellation(&token);
    /// let mut taken = vec![];
    /// let outcome: Result<(), Cancelled> = async {
    ///     while let Some(row) = rows.try_next().await? {
    ///         taken.push(row);
    ///     }
    ///     Ok(())
    /// }
    /// .await;
    /// assert_eq!(taken, [1, 2, 3]);
    /// assert!(outcome.is_err());
    /// assert!(rows.next().await.is_none());
    /// # });
    /// ```
    #[track_caller]
    fn with_cancellation(self, token: &CancellationToken) -> WithCancellationStream<Self>
    where
        Self: Sized,
    {
        WithCancellationStream::new(self, token)
    }
}

impl<S: Stream> StreamExt for S {}
