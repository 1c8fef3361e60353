//! Streams that end when a token is cancelled.
//!
//! Each item is an await of its own: what guards it is a [`Guard`], with all it knows of foreign wakers and of what is
//! still getting out inside (L11, L12). What is added here is the question between two items, and the policy; and, for a
//! token that is not the ambient one, a frame and a registration as a scope has them.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures_core::stream::{FusedStream, Stream};

use crate::context::{About, Frame, Inside, Mark, is_noted_since, with_frame};
use crate::error::Cancelled;
use crate::guard::{Guard, Hold, guard};
use crate::pending::{Kind, note_got_out};
use crate::primitive::Arc;
use crate::token::{CancellationToken, Registered};

/// How a stream ends that is [cut by a cancel](StreamExt::until_cancelled).
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
}

impl<S: Stream> StreamExt for S {}

pin_project_lite::pin_project! {
    /// A stream that a token ends; made by [`until_cancelled`](StreamExt::until_cancelled) and
    /// [`until_cancelled_by`](StreamExt::until_cancelled_by).
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

/// A token in place of the ambient one, and what it takes to be woken by it.
struct Own {
    token: CancellationToken,
    /// From the first pending item on.
    registered: Option<Pin<Box<Registered<CancellationToken>>>>,
    /// Registered among the foreign wakers, for it is not the one of the frame outside.
    is_foreign: bool,
    /// So the check points out there are to know of it, while an item is pending.
    waiter: Inside,
}

impl Own {
    fn new(token: &CancellationToken) -> Self {
        Self {
            token: token.clone(),
            registered: None,
            is_foreign: false,
            waiter: Inside::NOTHING,
        }
    }

    /// Has the cancel wake this task.
    fn register(&mut self, is_foreign: bool, waker: &Waker) {
        let fresh = || Box::pin(Registered::new(self.token.clone()));
        let registered = self.registered.get_or_insert_with(fresh);
        let in_time = if self.is_foreign != is_foreign {
            // The two kinds have different places in the list.
            registered.as_mut().register_anew(waker, is_foreign)
        } else {
            registered.has(waker) || registered.as_mut().register(waker, is_foreign)
        };
        self.is_foreign = is_foreign;
        if !in_time {
            // Cancelled since the stream was polled.
            waker.wake_by_ref();
        }
    }

    /// After each poll: does it wait under a foreign waker?
    fn set_foreign(&mut self, is_foreign: bool, waker: Option<&Waker>) {
        if let (true, Some(waker)) = (is_foreign, waker) {
            self.waiter.set(Kind::Foreign, true);
            self.waiter.note(waker);
        } else if self.waiter.is_some() {
            if self.token.is_marked() {
                note_got_out();
            }
            self.waiter.end();
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.set_foreign(false, None);
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

pin_project_lite::pin_project! {
    /// The next item as a future, again and again.
    struct Items<S> {
        // `None` only when it has been taken out.
        #[pin]
        stream: Option<S>,
        // What is pending in it. A guard would forget that with every item.
        inside: Inside,
        // What is ambient outside a frame that is only there for the guard.
        outside: Option<Outside>,
    }
}

/// The frame outside, as far as the stream can tell.
struct Outside {
    token: CancellationToken,
    wakes: bool,
}

impl Outside {
    /// Has another look: `this` is what was seen last time, and mostly still true.
    fn look(this: &mut Option<Self>, cx: &Context<'_>) {
        with_frame(|frame| {
            let (token, wakes) = match frame {
                Some(frame) => (frame.token(), frame.wakes(cx.waker())),
                None => (const { &CancellationToken::never() }, true),
            };
            match this {
                Some(seen) if seen.token == *token => seen.wakes = wakes,
                _ => {
                    let token = token.clone();
                    *this = Some(Self { token, wakes });
                }
            }
        });
    }
}

/// Takes what is left pending in a poll, also if that panics, for the stream may be polled again.
struct Keeping<'a> {
    inside: &'a mut Inside,
    waker: &'a Waker,
    outside: Mark,
}

impl Drop for Keeping<'_> {
    fn drop(&mut self) {
        if is_noted_since(self.outside) {
            self.inside.adopt_since(self.outside);
            self.inside.note(self.waker);
        }
    }
}

impl<S: Stream> Future for Items<S> {
    type Output = Option<S::Item>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let Some(stream) = this.stream.as_pin_mut() else {
            return Poll::Ready(None);
        };
        if with_frame(|frame| frame.is_none()) {
            return stream.poll_next(cx);
        }
        let _keeping = Keeping {
            outside: this.inside.announce(),
            waker: cx.waker(),
            inside: this.inside,
        };
        match this.outside {
            None => stream.poll_next(cx),
            Some(outside) => {
                // The very one: those inside tell it by where it is.
                let waker = outside.wakes.then(|| cx.waker());
                let frame = Frame::new(&outside.token, About::GIVEN, waker);
                frame.enter(|| stream.poll_next(cx))
            }
        }
    }
}

impl<S: Stream> UntilCancelled<S> {
    #[track_caller]
    fn new(stream: S, token: Option<&CancellationToken>, end: StreamEnd) -> Self {
        Self {
            guard: guard(Items {
                stream: Some(stream),
                inside: Inside::NOTHING,
                outside: None,
            }),
            hold: Hold::new(),
            own: token.map(Own::new),
            end,
            stage: Stage::Between { drained: 0 },
        }
    }

    /// Why the stream has ended, if a cancel ended it; `None` if it goes on or has come to its own end.
    ///
    /// [`observed_at`](Cancelled::observed_at) is the line of [`until_cancelled`](StreamExt::until_cancelled). A
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
    /// [shield](crate::shield()), or end the intake by a [token of its own](StreamExt::until_cancelled_by).
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
        match &self.guard.inner().stream {
            Some(stream) => stream,
            None => unreachable!("only `into_inner` takes it"),
        }
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
            let inside = &guard.inner().inside;
            let cancelled = with_frame(|frame| match frame {
                Some(frame) if !frame.is_quiet() && !inside.is_spared() => frame.notice(guard.location()),
                _ => None,
            });
            if let Some(cancelled) = cancelled {
                match end {
                    StreamEnd::Drain { at_most } if drained < at_most => drained += 1,
                    _ => {
                        *stage = Stage::Over(Some(cancelled));
                        return Poll::Ready(None);
                    }
                }
            }
            guard.as_mut().go_on();
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
    *items.as_mut().project().outside = None;
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
                Outside::look(this.guard.as_mut().inner_pin().project().outside, cx);
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
                        own.registered = None;
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
                    .is_some_and(|cause| Arc::ptr_eq(&cause, cancelled.cause()))
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
