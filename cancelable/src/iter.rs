//! Iterators under a token: that end with it, or that have it wherever they are gone through.

use std::iter::FusedIterator;
use std::panic::Location;

use crate::check_point::CheckPoint;
use crate::context::{Context, check_at, is_quiet};
use crate::error::Cancelled;

/// What can be done to any iterator. Bring it in with `use cancelable::IteratorExt as _`.
///
/// A `for` loop in an annotated function needs none of this: it is checked at every iteration. This is for chains, whose
/// closures have no check points, and for iterators that are handed to somebody else.
///
/// It is also what to write in place of `#[cancelable]` on an `Iterator::next`, which is refused: the `None` that such a
/// function would return when cancelled means that nothing is left, and whoever collects the items would take a part of
/// them for all.
pub trait IteratorExt: Iterator {
    /// Asks the ambient token before each item. Items come as `Ok`; once the token is cancelled, one `Err` comes in place
    /// of an item, and then `None` for ever.
    ///
    /// Nothing is lost: the token is asked before an item is taken, so what has not come is still
    /// [inside](UntilCancelledIter::into_inner). An iterator that says that nothing is left (an upper bound of 0) ends as
    /// it would have.
    ///
    /// The ambient token is that of the code that takes the items, as it is for every check point. (For that of the code that makes the
    /// iterator, put [`in_current_scope`](Self::in_current_scope) behind.) The error was
    /// [observed](Cancelled::observed_at) at the line of this call. A chain that computes much for one item, as a `filter` that finds
    /// nothing, is asked no sooner than it yields: put this before it.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Cancelled, IteratorExt as _};
    ///
    /// fn total(prices: &[u32]) -> Result<u32, Cancelled> {
    ///     prices.iter().until_cancelled().map(|price| Ok(price? * 2)).sum()
    /// }
    ///
    /// let token = CancellationToken::new();
    /// assert_eq!(token.sync_scope(|| total(&[1, 2])).unwrap(), 6);
    /// token.cancel();
    /// assert!(token.sync_scope(|| total(&[1, 2])).is_err());
    /// ```
    #[track_caller]
    fn until_cancelled(self) -> UntilCancelledIter<Self>
    where
        Self: Sized,
    {
        UntilCancelledIter {
            asked: Asked::new(self, Location::caller()),
        }
    }

    /// As [`until_cancelled`](Self::until_cancelled), but the items come as they are, and a cancel is just the end. For the best so
    /// far: what has come counts, and [`cancelled`](TakeUntilCancelled::cancelled) says afterwards whether there would have been more,
    /// and why there is not.
    ///
    /// Where the iterator is consumed (`sum`, `collect`, `for_each`), nobody is left to be asked: then
    /// [`check`](crate::check()) says whether the scope is cancelled.
    ///
    /// ```
    /// use cancelable::{CancellationToken, IteratorExt as _, check};
    ///
    /// let token = CancellationToken::new();
    /// token.sync_scope(|| {
    ///     let mut tried = (1_u64..).inspect(|n| if *n == 10 { token.cancel_with("time is up"); }).take_until_cancelled();
    ///     let best = tried.by_ref().map(|n| n * 7 % 10).max();
    ///     assert_eq!(best, Some(9));
    ///     assert_eq!(tried.cancelled().unwrap().reason().to_string(), "time is up");
    ///
    ///     assert_eq!((1_u64..).take_until_cancelled().count(), 0);
    ///     assert!(check().is_err());
    /// });
    /// ```
    #[track_caller]
    fn take_until_cancelled(self) -> TakeUntilCancelled<Self>
    where
        Self: Sized,
    {
        TakeUntilCancelled {
            asked: Asked::new(self, Location::caller()),
            cancelled: None,
        }
    }

    /// Takes the ambient context along: each item is computed in it, wherever it is taken. For lazy results, which are made in a scope
    /// and gone through elsewhere: without this, their check points ask whoever takes the items, and the scope that made them could
    /// not end them.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Cancelled, IteratorExt as _, cancelable};
    ///
    /// #[cancelable]
    /// fn parse(line: &str) -> Result<u32, Cancelled> {
    ///     Ok(line.parse().unwrap_or(0))
    /// }
    ///
    /// /// Parses lines as they are asked for, under the token of the scope that this is called in.
    /// fn numbers(text: &str) -> impl Iterator<Item = Result<u32, Cancelled>> {
    ///     text.lines().map(parse).in_current_scope()
    /// }
    ///
    /// let token = CancellationToken::new();
    /// let mut numbers = token.sync_scope(|| numbers("1\n2\n3"));
    /// assert_eq!(numbers.next().unwrap().unwrap(), 1);
    /// token.cancel();
    /// assert!(numbers.next().unwrap().is_err());
    /// ```
    ///
    /// With [`until_cancelled`](Self::until_cancelled) before it, the iterator ends with that token, also if nothing in it is
    /// annotated.
    fn in_current_scope(self) -> ScopedIter<Self>
    where
        Self: Sized,
    {
        ScopedIter {
            iter: self,
            context: Context::current(),
        }
    }
}

impl<I: Iterator> IteratorExt for I {}

/// Might there be another item? An iterator that knows its end says so.
#[inline(always)]
pub(crate) fn may_go_on<I: Iterator>(items: &I) -> bool {
    items.size_hint().1 != Some(0)
}

/// An iterator that asks every so often. (Without what may have ended it, which has a destructor: loops over this would not be
/// vectorised.)
#[derive(Clone, Debug)]
struct Asked<I> {
    iter: I,
    /// How many items are taken without asking, less the one that is asked for.
    between: usize,
    /// And how many of them are left.
    left: usize,
    is_over: bool,
    location: &'static Location<'static>,
}

impl<I: Iterator> Asked<I> {
    fn new(iter: I, location: &'static Location<'static>) -> Self {
        Self {
            iter,
            between: 0,
            left: 0,
            is_over: false,
            location,
        }
    }

    fn every(self, items: usize) -> Self {
        let between = items.saturating_sub(1);
        Self { between, ..self }
    }

    /// May an item be taken?
    #[inline]
    fn ask(&mut self) -> Result<bool, Cancelled> {
        if self.left > 0 {
            self.left -= 1;
            return Ok(true);
        }
        if self.is_over {
            return Ok(false);
        }
        if !is_quiet() {
            self.look()?;
        }
        self.left = if self.is_over { 0 } else { self.between };
        Ok(!self.is_over)
    }

    #[cold]
    fn look(&mut self) -> Result<(), Cancelled> {
        let Err(cancelled) = check_at(self.location) else {
            return Ok(());
        };
        self.is_over = true;
        // With nothing left, there is nothing that the cancel keeps back.
        if may_go_on(&self.iter) {
            Err(cancelled.at(CheckPoint::Loop))
        } else {
            Ok(())
        }
    }

    #[inline]
    fn take(&mut self, take: impl FnOnce(&mut I) -> Option<I::Item>) -> Result<Option<I::Item>, Cancelled> {
        if !self.ask()? {
            return Ok(None);
        }
        let item = take(&mut self.iter);
        if item.is_none() {
            (self.is_over, self.left) = (true, 0);
        }
        Ok(item)
    }

    /// Goes through all items; `cut` has the last word if there would have been more. The loop between two questions is a plain one,
    /// which the compiler may unroll and vectorise.
    #[inline]
    fn fold<B>(mut self, init: B, mut f: impl FnMut(B, I::Item) -> B, cut: impl FnOnce(B, Cancelled) -> B) -> B {
        let mut folded = init;
        loop {
            match self.ask() {
                Ok(true) => {}
                Ok(false) => return folded,
                Err(cancelled) => return cut(folded, cancelled),
            }
            let piece = self.left.saturating_add(1);
            self.left = 0;
            for _ in 0..piece {
                match self.iter.next() {
                    Some(item) => folded = f(folded, item),
                    None => return folded,
                }
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.is_over {
            return (0, Some(0));
        }
        self.iter.size_hint()
    }
}

/// An iterator that a cancel ends with an error; made by [`until_cancelled`](IteratorExt::until_cancelled).
#[derive(Clone, Debug)]
#[must_use = "iterators do nothing unless asked for items"]
pub struct UntilCancelledIter<I> {
    asked: Asked<I>,
}

impl<I: Iterator> UntilCancelledIter<I> {
    /// Asks before every `items`-th item only, the first one included: for items that take a nanosecond. `for_each` and `fold` then go
    /// through plain loops of that many items, which are vectorised as those over the iterator inside are; `next` counts. (`0` counts
    /// as `1`.)
    ///
    /// ```
    /// use cancelable::{Cancelled, IteratorExt as _};
    ///
    /// fn longest(words: &[&str]) -> Result<usize, Cancelled> {
    ///     let mut longest = 0;
    ///     for word in words.iter().until_cancelled().every(1000) {
    ///         longest = longest.max(word?.len());
    ///     }
    ///     Ok(longest)
    /// }
    /// assert_eq!(longest(&["a", "bc"]).unwrap(), 2);
    /// ```
    pub fn every(self, items: usize) -> Self {
        Self {
            asked: self.asked.every(items),
        }
    }
}

impl<I> UntilCancelledIter<I> {
    /// The iterator inside, with all that has not been taken from it: after a cancel too.
    ///
    /// ```
    /// use cancelable::{CancellationToken, IteratorExt as _};
    ///
    /// let token = CancellationToken::new();
    /// let mut jobs = vec![1, 2, 3].into_iter().until_cancelled();
    /// token.sync_scope(|| {
    ///     assert_eq!(jobs.next().unwrap().unwrap(), 1);
    ///     token.cancel();
    ///     assert!(jobs.next().unwrap().is_err());
    ///     assert!(jobs.next().is_none());
    /// });
    /// assert_eq!(jobs.into_inner().as_slice(), [2, 3]);
    /// ```
    #[must_use]
    pub fn into_inner(self) -> I {
        self.asked.iter
    }
}

impl<I: Iterator> Iterator for UntilCancelledIter<I> {
    type Item = Result<I::Item, Cancelled>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.asked.take(I::next).transpose()
    }

    /// At least the next item or the error, if there is one; never more than without a cancel.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let (lower, upper) = self.asked.size_hint();
        (lower.min(1), upper)
    }

    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, mut f: F) -> B {
        let mut last = None;
        let folded = self.asked.fold(
            init,
            |folded, item| f(folded, Ok(item)),
            |folded, cancelled| {
                last = Some(cancelled);
                folded
            },
        );
        match last {
            Some(cancelled) => f(folded, Err(cancelled)),
            None => folded,
        }
    }
}

impl<I: DoubleEndedIterator> DoubleEndedIterator for UntilCancelledIter<I> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        self.asked.take(I::next_back).transpose()
    }
}

impl<I: Iterator> FusedIterator for UntilCancelledIter<I> {}

/// An iterator that a cancel ends as if there were no more; made by [`take_until_cancelled`](IteratorExt::take_until_cancelled).
#[derive(Clone, Debug)]
#[must_use = "iterators do nothing unless asked for items"]
pub struct TakeUntilCancelled<I> {
    asked: Asked<I>,
    cancelled: Option<Cancelled>,
}

impl<I: Iterator> TakeUntilCancelled<I> {
    #[inline]
    fn or_end(&mut self, item: Result<Option<I::Item>, Cancelled>) -> Option<I::Item> {
        match item {
            Ok(item) => item,
            Err(cancelled) => {
                self.cancelled = Some(cancelled);
                None
            }
        }
    }

    /// Asks before every `items`-th item only, the first one included: for items that take a nanosecond. `sum`, `max`, `for_each` and
    /// `fold` then go through plain loops of that many items, which are vectorised as those over the iterator inside are; `next` counts.
    /// (`0` counts as `1`.)
    ///
    /// ```
    /// use cancelable::{Cancelled, IteratorExt as _, check};
    ///
    /// fn total(prices: &[u64]) -> Result<u64, Cancelled> {
    ///     let total = prices.iter().take_until_cancelled().every(4096).sum();
    ///     check()?;                                    // or else it is of all prices
    ///     Ok(total)
    /// }
    /// assert_eq!(total(&[1, 2, 3]).unwrap(), 6);
    /// ```
    pub fn every(self, items: usize) -> Self {
        Self {
            asked: self.asked.every(items),
            ..self
        }
    }
}

impl<I> TakeUntilCancelled<I> {
    /// Why the iterator has ended, if a cancel ended it; `None` if it goes on or has come to its own end.
    #[must_use]
    pub fn cancelled(&self) -> Option<&Cancelled> {
        self.cancelled.as_ref()
    }

    /// The iterator inside, with all that has not been taken from it: after a cancel too.
    #[must_use]
    pub fn into_inner(self) -> I {
        self.asked.iter
    }
}

impl<I: Iterator> Iterator for TakeUntilCancelled<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        let item = self.asked.take(I::next);
        self.or_end(item)
    }

    /// Never more than without a cancel.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.asked.size_hint().1)
    }

    #[inline]
    fn fold<B, F: FnMut(B, Self::Item) -> B>(self, init: B, f: F) -> B {
        self.asked.fold(init, f, |folded, _| folded)
    }
}

impl<I: DoubleEndedIterator> DoubleEndedIterator for TakeUntilCancelled<I> {
    #[inline]
    fn next_back(&mut self) -> Option<I::Item> {
        let item = self.asked.take(I::next_back);
        self.or_end(item)
    }
}

impl<I: Iterator> FusedIterator for TakeUntilCancelled<I> {}

/// An iterator that has its context with it; made by [`in_current_scope`](IteratorExt::in_current_scope).
#[derive(Clone, Debug)]
#[must_use = "iterators do nothing unless asked for items"]
pub struct ScopedIter<I> {
    iter: I,
    context: Context,
}

impl<I> ScopedIter<I> {
    /// The iterator inside.
    #[must_use]
    pub fn into_inner(self) -> I {
        self.iter
    }
}

impl<I: Iterator> Iterator for ScopedIter<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        self.context.run(|| self.iter.next())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.iter.size_hint()
    }
}

impl<I: DoubleEndedIterator> DoubleEndedIterator for ScopedIter<I> {
    #[inline]
    fn next_back(&mut self) -> Option<I::Item> {
        self.context.run(|| self.iter.next_back())
    }
}

impl<I: ExactSizeIterator> ExactSizeIterator for ScopedIter<I> {}

impl<I: FusedIterator> FusedIterator for ScopedIter<I> {}
