//! Streams that end when a token is cancelled.
//!
//! Each item is an await of its own: what guards it is a [`Guard`], with all it knows of foreign wakers and of what is
//! still getting out inside (L11, L12). What is added here is the question between two items, and the policy; and, for a
//! token that is not the ambient one, a frame and a registration as a scope has them.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::stream::{FusedStream, Stream};

use super::items::{Items, Own};
use crate::check_point::CheckPoint;
use crate::context::{About, Frame, check_at, is_quiet, with_frame};
use crate::error::Cancelled;
use crate::guard::{Guard, Hold, guard};
use crate::token::CancellationToken;

/// How a stream ends that is [cut by a cancel](crate::StreamExt::until_cancelled).
///
/// Whichever it is, an item that is ready is yielded, and the end is `None`, once and for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StreamEnd {
    /// At once: where an annotated function that awaits the items would have failed. Between two items nothing more is
    /// asked of the stream, ready or not; if the cancel comes while an item is pending, the stream ends without it. But
    /// what is annotated or shielded in there (in a `buffer_unordered`, for example) gets out first, and gives its items,
    /// also if it began before earlier items were yielded.
    ///
    /// For streams that wait for others: channels, sockets, timers.
    #[default]
    Now,
    /// After the item that is being produced: as [`Now`](Self::Now), except that an item which has been asked for, and is
    /// pending when the cancel comes, is waited for and yielded. Outer check points are held off meanwhile, as they are
    /// by a [shield](crate::shield()); only a scope's [grace](crate::Scope::grace) bounds it. (But annotated code that
    /// produces the item is cancelled as ever, unless it is shielded.)
    ///
    /// For streams whose items are work: a page that is being fetched, a row that is being written. A channel on which
    /// nothing more arrives would be waited for in vain.
    AfterItem,
    /// When the stream has run dry: what is ready is still yielded, up to `at_most` items begun after the cancel; then,
    /// or as soon as an item is pending, the stream ends as with [`Now`](Self::Now). Before it does, annotated futures in
    /// there (of a `buffer_unordered`, for example) get out and give their items.
    ///
    /// For queues whose messages would be lost with the receiver. The bound is for streams that are always ready.
    Drain {
        /// How many more items there may be.
        at_most: usize,
    },
}

pin_project_lite::pin_project! {
    /// A stream that a token ends; made by [`until_cancelled`](crate::StreamExt::until_cancelled) and
    /// [`until_cancelled_by`](crate::StreamExt::until_cancelled_by).
    #[must_use = "streams do nothing unless polled"]
    pub struct UntilCancelled<S> {
        #[pin]
        guard: Guard<Items<S>>,
        // After `guard`, so that they are given up when the stream is gone.
        hold: Hold,
        own: Option<Own>,
        end: StreamEnd,
        stage: Stage,
    }
}

/// Where a stream is.
enum Stage {
    /// Nothing has been asked of it since the last item. So many items were begun under a cancelled token.
    Between {
        drained: usize,
    },
    /// An item has been asked for.
    Producing {
        drained: usize,
    },
    /// The token is cancelled, and the item is waited for all the same.
    Last(Cancelled),
    Over(Option<Cancelled>),
}

impl<S: Stream> UntilCancelled<S> {
    #[track_caller]
    pub(super) fn new(stream: S, token: Option<&CancellationToken>, end: StreamEnd) -> Self {
        Self {
            guard: guard(Items::new(stream)),
            hold: Hold::new(),
            own: token.cloned().map(Own::new),
            end,
            stage: Stage::Between { drained: 0 },
        }
    }

    /// Why the stream has ended, if a cancel ended it; `None` if it goes on or has come to its own end.
    ///
    /// [`observed_at`](Cancelled::observed_at) is the line of [`until_cancelled`](crate::StreamExt::until_cancelled). A
    /// consumer that takes the stream, `collect` for one, can be given a reference instead, to ask afterwards:
    ///
    /// ```
    /// use cancelable::{CancellationToken, StreamEnd, StreamExt as _};
    /// use futures::StreamExt as _;
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// let mut numbers = futures::stream::iter(1..)
    ///     .inspect(|n| if *n == 3 { token.cancel() })
    ///     .until_cancelled_by(&token, StreamEnd::Now);
    /// let some: Vec<u32> = numbers.by_ref().collect().await;
    /// assert_eq!(some, [1, 2, 3]);
    /// assert!(numbers.cancelled().is_some());
    /// # });
    /// ```
    #[must_use]
    pub fn cancelled(&self) -> Option<&Cancelled> {
        match &self.stage {
            Stage::Over(cancelled) => cancelled.as_ref(),
            _ => None,
        }
    }

    /// Yields the items in `Vec`s of `size`, the last of which may be shorter: what there is when the stream ends, by a
    /// cancel too, is still delivered. No chunk is empty.
    ///
    /// In an annotated function, mind that the code which the last chunk is delivered to is cancelled: write it in a
    /// [shield](crate::shield()), or end the intake by a [token of its own](crate::StreamExt::until_cancelled_by).
    ///
    /// # Panics
    ///
    /// If `size` is zero.
    ///
    /// ```
    /// use cancelable::{CancellationToken, StreamEnd, StreamExt as _};
    /// use futures::StreamExt as _;
    ///
    /// # futures::executor::block_on(async {
    /// let token = CancellationToken::new();
    /// let chunks = futures::stream::iter(1..)
    ///     .inspect(|n| if *n == 5 { token.cancel() })
    ///     .until_cancelled_by(&token, StreamEnd::Now)
    ///     .chunked(3);
    /// let chunks: Vec<Vec<u32>> = chunks.collect().await;
    /// assert_eq!(chunks, [vec![1, 2, 3], vec![4, 5]]);
    /// # });
    /// ```
    #[track_caller]
    pub fn chunked(self, size: usize) -> Chunked<S> {
        assert!(size > 0, "chunks of no items");
        Chunked {
            items: self,
            chunk: Vec::new(),
            size,
        }
    }
}

impl<S> UntilCancelled<S> {
    /// The stream inside.
    #[must_use]
    pub fn get_ref(&self) -> &S {
        self.guard.inner().get_ref()
    }

    /// The stream inside: to close a channel, for example. An item that is taken from it here passes by the policy.
    #[must_use]
    pub fn get_mut(&mut self) -> &mut S {
        match &mut self.guard.inner_mut().stream {
            Some(stream) => stream,
            None => unreachable!("only `into_inner` takes it"),
        }
    }

    /// Gives the stream back, with what it has in store: after a cancel too. An item that was pending when the stream was
    /// cut is still on its way in there.
    #[must_use]
    pub fn into_inner(mut self) -> S {
        match self.guard.inner_mut().stream.take() {
            Some(stream) => stream,
            None => unreachable!("only this takes it"),
        }
    }
}

/// Polls for the next item with the token that now is the ambient one.
fn poll_item<S: Stream>(
    mut guard: Pin<&mut Guard<Items<S>>>,
    stage: &mut Stage,
    end: StreamEnd,
    cx: &mut Context<'_>,
) -> Poll<Option<S::Item>> {
    let drained = match *stage {
        Stage::Producing { drained } => drained,
        Stage::Between { mut drained } => {
            let may_fail = !is_quiet() && !guard.inner().inside.is_spared();
            if let Some(cancelled) = may_fail.then(|| check_at(guard.location()).err()).flatten() {
                match end {
                    StreamEnd::Drain { at_most } if drained < at_most => drained += 1,
                    _ => {
                        *stage = Stage::Over(Some(cancelled.at(CheckPoint::Await)));
                        return Poll::Ready(None);
                    }
                }
            }
            // (Of a loser what comes goes to nobody. Those that wait for their item, or drain, have said that they want it.)
            guard.as_mut().go_on(end == StreamEnd::Now);
            drained
        }
        Stage::Last(_) | Stage::Over(_) => unreachable!("these do not ask the token"),
    };
    // Should this poll panic, the guard knows what it has begun.
    *stage = Stage::Producing { drained };
    let (next, poll) = match guard.poll(cx) {
        Poll::Pending => (Stage::Producing { drained }, Poll::Pending),
        Poll::Ready(Ok(Some(item))) => (Stage::Between { drained }, Poll::Ready(Some(item))),
        Poll::Ready(Ok(None)) => (Stage::Over(None), Poll::Ready(None)),
        Poll::Ready(Err(cancelled)) if end == StreamEnd::AfterItem => (Stage::Last(cancelled), Poll::Pending),
        Poll::Ready(Err(cancelled)) => (Stage::Over(Some(cancelled)), Poll::Ready(None)),
    };
    *stage = next;
    poll
}

/// Polls for the item that is waited for though the token is cancelled.
fn poll_last<S: Stream>(
    mut items: Pin<&mut Items<S>>,
    stage: &mut Stage,
    cx: &mut Context<'_>,
) -> Poll<Option<S::Item>> {
    items.as_mut().forget_outside();
    let item = ready!(items.poll(cx));
    let last = mem::replace(stage, Stage::Over(None));
    if let (Some(_), Stage::Last(cancelled)) = (&item, last) {
        *stage = Stage::Over(Some(cancelled));
    }
    Poll::Ready(item)
}

impl<S: Stream> Stream for UntilCancelled<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let mut this = self.project();
        let poll = match (&*this.stage, &mut *this.own) {
            (Stage::Over(_), _) => return Poll::Ready(None),
            (Stage::Last(_), _) => poll_last(this.guard.inner_pin(), this.stage, cx),
            (_, None) => poll_item(this.guard, this.stage, *this.end, cx),
            (_, Some(own)) => {
                this.guard.as_mut().inner_pin().look_outside(cx);
                // A frame for the guard alone: inside it, the stream is polled in what is outside again.
                let frame = Frame::new(&own.token, About::GIVEN, Some(cx.waker()));
                let poll = frame.enter(|| poll_item(this.guard, this.stage, *this.end, cx));
                let is_foreign = !frame.outer_wakes(cx.waker());
                let is_pending = matches!(this.stage, Stage::Producing { .. });
                if is_pending {
                    own.register(is_foreign, cx.waker());
                    own.set_foreign(is_foreign, Some(cx.waker()));
                } else {
                    own.set_foreign(false, None);
                    if matches!(this.stage, Stage::Over(_)) {
                        own.unregister();
                    }
                }
                poll
            }
        };
        // The item is waited for in spite of this cancel. If what is outside was cancelled by another, that is its affair.
        let holds = match this.stage {
            Stage::Last(cancelled) => with_frame(|outer| {
                outer
                    .and_then(|outer| outer.token().cause())
                    .is_some_and(|cause| cause.is_same_event(cancelled.cause()))
            }),
            _ => false,
        };
        this.hold.set(holds, cx.waker());
        poll
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.stage {
            Stage::Over(_) => (0, Some(0)),
            // A cancel may come at any time.
            Stage::Last(_) => (0, Some(1)),
            Stage::Between { .. } | Stage::Producing { .. } => (0, self.get_ref().size_hint().1),
        }
    }
}

impl<S: Stream> FusedStream for UntilCancelled<S> {
    fn is_terminated(&self) -> bool {
        matches!(self.stage, Stage::Over(_))
    }
}

impl<S: fmt::Debug> fmt::Debug for UntilCancelled<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilCancelled")
            .field("stream", self.get_ref())
            .field("token", &self.own.as_ref().map(|own| &own.token))
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// A stream of chunks that a token ends; made by [`UntilCancelled::chunked`].
    ///
    /// The items of a chunk that is not full are kept in here, so a `next()` that is dropped loses nothing.
    #[must_use = "streams do nothing unless polled"]
    pub struct Chunked<S: Stream> {
        #[pin]
        items: UntilCancelled<S>,
        chunk: Vec<S::Item>,
        size: usize,
    }
}

impl<S: Stream> Chunked<S> {
    /// As [`UntilCancelled::cancelled`]; the last chunk may still be to come.
    #[must_use]
    pub fn cancelled(&self) -> Option<&Cancelled> {
        self.items.cancelled()
    }

    /// The items of the chunk that is not full yet.
    #[must_use]
    pub fn partial(&self) -> &[S::Item] {
        &self.chunk
    }

    /// Gives back the stream, and the items of the chunk that is not full yet.
    #[must_use]
    pub fn into_inner(self) -> (S, Vec<S::Item>) {
        (self.items.into_inner(), self.chunk)
    }
}

impl<S: Stream> Stream for Chunked<S> {
    type Item = Vec<S::Item>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Vec<S::Item>>> {
        let mut this = self.project();
        loop {
            match ready!(this.items.as_mut().poll_next(cx)) {
                Some(item) => {
                    this.chunk.push(item);
                    if this.chunk.len() >= *this.size {
                        return Poll::Ready(Some(mem::take(this.chunk)));
                    }
                }
                None if this.chunk.is_empty() => return Poll::Ready(None),
                None => return Poll::Ready(Some(mem::take(this.chunk))),
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let begun = self.chunk.len();
        let most = self.items.size_hint().1.and_then(|items| items.checked_add(begun));
        (usize::from(begun > 0), most.map(|items| items.div_ceil(self.size)))
    }
}

impl<S: Stream> FusedStream for Chunked<S> {
    fn is_terminated(&self) -> bool {
        self.items.is_terminated() && self.chunk.is_empty()
    }
}

impl<S: Stream<Item: fmt::Debug> + fmt::Debug> fmt::Debug for Chunked<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunked")
            .field("items", &self.items)
            .field("partial", &self.chunk)
            .field("size", &self.size)
            .finish()
    }
}
