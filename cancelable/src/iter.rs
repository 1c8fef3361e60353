//! Iterators that end with a cancel, and say so.

use std::iter::FusedIterator;
use std::panic::Location;

use crate::context::check_at;
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
    /// The ambient token is that of the code that takes the items, as it is for every check point. The error was
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
            iter: self,
            is_over: false,
            location: Location::caller(),
        }
    }
}

impl<I: Iterator> IteratorExt for I {}

/// An iterator that a cancel ends; made by [`until_cancelled`](IteratorExt::until_cancelled).
#[derive(Clone, Debug)]
#[must_use = "iterators do nothing unless asked for items"]
pub struct UntilCancelledIter<I> {
    iter: I,
    is_over: bool,
    location: &'static Location<'static>,
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
        self.iter
    }
}

/// Might there be another item? An iterator that knows its end says so.
#[inline(always)]
pub(crate) fn may_go_on<I: Iterator>(items: &I) -> bool {
    items.size_hint().1 != Some(0)
}

impl<I: Iterator> UntilCancelledIter<I> {
    fn take(&mut self, take: impl FnOnce(&mut I) -> Option<I::Item>) -> Option<Result<I::Item, Cancelled>> {
        if self.is_over {
            return None;
        }
        if let Err(cancelled) = check_at(self.location) {
            // With nothing left, there is nothing that the cancel keeps back.
            self.is_over = true;
            return may_go_on(&self.iter).then_some(Err(cancelled));
        }
        let item = take(&mut self.iter);
        self.is_over = item.is_none();
        item.map(Ok)
    }
}

impl<I: Iterator> Iterator for UntilCancelledIter<I> {
    type Item = Result<I::Item, Cancelled>;

    fn next(&mut self) -> Option<Self::Item> {
        self.take(I::next)
    }

    /// At least the next item or the error, if there is one; never more than without a cancel.
    fn size_hint(&self) -> (usize, Option<usize>) {
        if self.is_over {
            return (0, Some(0));
        }
        let (lower, upper) = self.iter.size_hint();
        (lower.min(1), upper)
    }
}

impl<I: DoubleEndedIterator> DoubleEndedIterator for UntilCancelledIter<I> {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.take(I::next_back)
    }
}

impl<I: Iterator> FusedIterator for UntilCancelledIter<I> {}
