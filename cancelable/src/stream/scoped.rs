//! Streams that carry a token: a region, as scopes are, but one that gives an item at a time.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::stream::{FusedStream, Stream};

use super::items::{Items, Own};
use super::until::{StreamEnd, UntilCancelled};
use crate::context::{self, About, Frame};
use crate::error::Cancelled;
use crate::runtime::Task;
use crate::token::CancellationToken;

pin_project_lite::pin_project! {
    /// A stream under a token; made by [`CancellationToken::scope_stream`], [`Context::scope_stream`](crate::Context::scope_stream)
    /// and [`in_current_scope`](crate::StreamExt::in_current_scope).
    #[must_use = "streams do nothing unless polled"]
    pub struct ScopedStream<S> {
        #[pin]
        items: Items<S>,
        own: Own,
        about: About,
        is_over: bool,
    }

    impl<S> PinnedDrop for ScopedStream<S> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            let items = this.items;
            Frame::new(&this.own.token, this.about, None).enter(|| items.clear());
        }
    }
}

impl<S> ScopedStream<S> {
    fn new(stream: S, token: CancellationToken, about: About) -> Self {
        Self {
            items: Items::new(stream),
            own: Own::new(token),
            about,
            is_over: false,
        }
    }
}

impl<S: Stream> Stream for ScopedStream<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        if *this.is_over {
            return Poll::Ready(None);
        }
        let own = this.own;
        let was_cancelled = own.token.is_marked();
        let frame = Frame::new(&own.token, this.about, Some(cx.waker())).of(Task::current());
        let poll = frame.enter(|| this.items.poll(cx));
        let is_foreign = !frame.outer_wakes(cx.waker());
        match &poll {
            Poll::Ready(item) => {
                own.set_foreign(false, None);
                if item.is_none() {
                    *this.is_over = true;
                    own.unregister();
                }
            }
            // What was polled before the cancel is polled once more. After that somebody inside notices, or nobody does.
            Poll::Pending if was_cancelled => own.note(cx.waker()),
            Poll::Pending => {
                own.register(is_foreign, cx.waker());
                own.set_foreign(is_foreign, Some(cx.waker()));
            }
        }
        poll
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.is_over {
            return (0, Some(0));
        }
        self.items.get_ref().size_hint()
    }
}

impl<S: Stream> FusedStream for ScopedStream<S> {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}

impl<S> fmt::Debug for ScopedStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedStream")
            .field("token", &self.own.token)
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// A stream that a token ends, and that says so; made by [`with_cancellation`](crate::StreamExt::with_cancellation).
    #[must_use = "streams do nothing unless polled"]
    pub struct WithCancellationStream<S> {
        #[pin]
        stream: ScopedStream<UntilCancelled<S>>,
        is_over: bool,
    }
}

impl<S: Stream> WithCancellationStream<S> {
    #[track_caller]
    pub(super) fn new(stream: S, token: &CancellationToken) -> Self {
        let stream = UntilCancelled::new(stream, None, StreamEnd::Now);
        Self {
            stream: token.scope_stream(stream),
            is_over: false,
        }
    }
}

impl<S: Stream> Stream for WithCancellationStream<S> {
    type Item = Result<S::Item, Cancelled>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        if *this.is_over {
            return Poll::Ready(None);
        }
        if let Some(item) = ready!(this.stream.as_mut().poll_next(cx)) {
            return Poll::Ready(Some(Ok(item)));
        }
        *this.is_over = true;
        let cancelled = this.stream.items.get_ref().cancelled();
        Poll::Ready(cancelled.cloned().map(Err))
    }

    /// At least the next item or the error, if there is one; never more than without a cancel, but for the error.
    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.is_over {
            return (0, Some(0));
        }
        let (_, upper) = self.stream.size_hint();
        (0, upper.and_then(|upper| upper.checked_add(1)))
    }
}

impl<S: Stream> FusedStream for WithCancellationStream<S> {
    fn is_terminated(&self) -> bool {
        self.is_over
    }
}

impl<S> fmt::Debug for WithCancellationStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithCancellationStream")
            .field("token", &self.stream.own.token)
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

impl CancellationToken {
    /// Makes this token the ambient one whenever the stream is polled or dropped: as [`scope`](Self::scope) does for futures.
    ///
    /// It is no check point by itself. For a stream that has to be ended too, see
    /// [`with_cancellation`](crate::StreamExt::with_cancellation).
    ///
    /// ```
    /// use cancelable::{CancellationToken, current};
    /// use futures::{StreamExt as _, stream};
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// let rows = token.scope_stream(stream::once(async { current() }));
    /// assert_eq!(rows.collect::<Vec<_>>().await, [token]);
    /// # });
    /// ```
    pub fn scope_stream<S: Stream>(&self, stream: S) -> ScopedStream<S> {
        ScopedStream::new(stream, self.clone(), About::GIVEN.clone())
    }
}

impl context::Context {
    /// Makes this context the ambient one whenever the stream is polled or dropped; what
    /// [`in_current_scope`](crate::StreamExt::in_current_scope) does with the ambient one.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Context, check};
    /// use futures::{StreamExt as _, stream};
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// let context = token.sync_scope(Context::current);
    /// token.cancel();
    /// let rows = context.scope_stream(stream::once(async { check() }));
    /// assert!(rows.collect::<Vec<_>>().await[0].is_err());
    /// # });
    /// ```
    pub fn scope_stream<S: Stream>(self, stream: S) -> ScopedStream<S> {
        let (token, about) = self.into_parts();
        ScopedStream::new(stream, token, about)
    }
}
