//! Parallel iterators that a cancel ends.
//!
//! Each thread asks the token of the scope before it takes an item, and says that it is *full* when that is cancelled, which is how
//! rayon is told to begin with nothing else. What comes behind in the chain is called by our folder, and so in the scope. (The shape,
//! a flag that all consumers look at, is that of rayon's own `panic_fuse`.)

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};

use ::rayon::iter::ParallelIterator;
use ::rayon::iter::plumbing::{Consumer, Folder, UnindexedConsumer};

use crate::check_point::CheckPoint;
use crate::context::{Context, check_at};
use crate::error::Cancelled;
use crate::iter::may_go_on;

/// What can be done to any parallel iterator. Bring it in with `use cancelable::rayon::ParallelIteratorExt as _`.
///
/// Both methods take the ambient context along from where they are called. Each thread asks its token before each item; once it is
/// cancelled nothing new is begun, also by threads that have yet to begin, and what has been begun comes to its end. (In an annotated
/// function that one calls, that is the next check point.) Items that were not taken are dropped with their source.
///
/// What stands *behind* them in the chain (`map`, `filter`, `for_each`) runs in the scope, on whichever thread; what stands before them
/// may or may not. The order of items is kept where rayon keeps it (`collect`); `enumerate` and `zip` have to come before.
pub trait ParallelIteratorExt: ParallelIterator {
    /// Items come as `Ok`; a cancel that keeps any back is one `Err`, and ends the iterator. With what stops at an error
    /// (`collect` into a `Result`, `try_for_each`, `sum`), that is the outcome.
    ///
    /// The error was [observed](Cancelled::observed_at) at the line of this call.
    ///
    /// ```
    /// use cancelable::rayon::ParallelIteratorExt as _;
    /// use cancelable::{Cancelled, Scope};
    /// use rayon::prelude::*;
    ///
    /// let total: Result<u64, Cancelled> = Scope::new().run_sync_with(|token| {
    ///     (0..u64::MAX)
    ///         .into_par_iter()
    ///         .until_cancelled()
    ///         .inspect(|n| if n.as_ref().is_ok_and(|n| *n == 1000) { token.cancel_with("enough"); })
    ///         .map(|n| n.map(|n| n % 10))                     // the digits' sum; that of the numbers would overflow
    ///         .sum()
    /// });
    /// assert_eq!(total.unwrap_err().reason().to_string(), "enough");
    /// ```
    #[track_caller]
    fn until_cancelled(self) -> UntilCancelled<Self> {
        UntilCancelled {
            base: self,
            cut: Cut::here(),
        }
    }

    /// Ends the iterator with the items there are when a cancel comes, as if there were no more. [`check`](crate::check()) says
    /// afterwards whether the scope is cancelled, and why.
    ///
    /// ```
    /// use cancelable::rayon::ParallelIteratorExt as _;
    /// use cancelable::{CancellationToken, check};
    /// use rayon::prelude::*;
    ///
    /// let token = CancellationToken::new();
    /// token.sync_scope(|| {
    ///     let primes: Vec<u32> = (2..u32::MAX)
    ///         .into_par_iter()
    ///         .take_until_cancelled()
    ///         .filter(|n| (2..*n).take_while(|d| d * d <= *n).all(|d| n % d != 0))
    ///         .inspect(|_| token.cancel())                        // or a deadline
    ///         .collect();
    ///     assert!(!primes.is_empty());
    ///     assert!(check().is_err());
    /// });
    /// ```
    #[track_caller]
    fn take_until_cancelled(self) -> TakeUntilCancelled<Self> {
        TakeUntilCancelled {
            base: self,
            cut: Cut::here(),
        }
    }
}

impl<I: ParallelIterator> ParallelIteratorExt for I {}

/// Whose cancel it is, and whether somebody has said so.
#[derive(Debug)]
struct Cut {
    context: Context,
    location: &'static Location<'static>,
    is_told: AtomicBool,
}

impl Cut {
    #[track_caller]
    fn here() -> Self {
        Self {
            context: Context::current(),
            location: Location::caller(),
            is_told: AtomicBool::new(false),
        }
    }

    #[inline]
    fn has_come(&self) -> bool {
        !self.context.token().is_quiet() && self.error().is_some()
    }

    #[cold]
    fn error(&self) -> Option<Cancelled> {
        let error = self.context.run(|| check_at(self.location)).err()?;
        Some(error.at(CheckPoint::Loop))
    }

    /// The error, for the first one who asks.
    fn tell(&self) -> Option<Cancelled> {
        let error = self.error()?;
        (!self.is_told.swap(true, Ordering::Relaxed)).then_some(error)
    }

    /// Has `base` give its items in no scope: the threads that wait for others are not to lend it.
    fn drive<I, C, E>(&self, base: I, consumer: C) -> C::Result
    where
        I: ParallelIterator,
        E: End<I::Item>,
        C: UnindexedConsumer<E::Out>,
    {
        Context::NONE.run(|| base.drive_unindexed(CutConsumer::<C, E>::new(consumer, self)))
    }
}

/// What comes of items, and of a cancel.
trait End<T>: Send {
    type Out: Send;

    fn item(item: T) -> Self::Out;
    /// The last thing that comes of an iterator that is cut, if anything does.
    fn last(cut: &Cut) -> Option<Self::Out>;
}

struct WithError;

impl<T: Send> End<T> for WithError {
    type Out = Result<T, Cancelled>;

    fn item(item: T) -> Self::Out {
        Ok(item)
    }

    fn last(cut: &Cut) -> Option<Self::Out> {
        cut.tell().map(Err)
    }
}

struct Silent;

impl<T: Send> End<T> for Silent {
    type Out = T;

    fn item(item: T) -> T {
        item
    }

    fn last(_: &Cut) -> Option<T> {
        None
    }
}

/// A parallel iterator that a cancel ends with an error; made by [`until_cancelled`](ParallelIteratorExt::until_cancelled).
#[must_use = "iterators do nothing unless consumed"]
pub struct UntilCancelled<I> {
    base: I,
    cut: Cut,
}

impl<I: ParallelIterator> ParallelIterator for UntilCancelled<I> {
    type Item = Result<I::Item, Cancelled>;

    fn drive_unindexed<C: UnindexedConsumer<Self::Item>>(self, consumer: C) -> C::Result {
        self.cut.drive::<I, C, WithError>(self.base, consumer)
    }
}

/// A parallel iterator that a cancel ends; made by [`take_until_cancelled`](ParallelIteratorExt::take_until_cancelled).
#[must_use = "iterators do nothing unless consumed"]
pub struct TakeUntilCancelled<I> {
    base: I,
    cut: Cut,
}

impl<I: ParallelIterator> ParallelIterator for TakeUntilCancelled<I> {
    type Item = I::Item;

    fn drive_unindexed<C: UnindexedConsumer<Self::Item>>(self, consumer: C) -> C::Result {
        self.cut.drive::<I, C, Silent>(self.base, consumer)
    }
}

impl<I: fmt::Debug> fmt::Debug for UntilCancelled<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntilCancelled")
            .field("base", &self.base)
            .field("context", &self.cut.context)
            .finish()
    }
}

impl<I: fmt::Debug> fmt::Debug for TakeUntilCancelled<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TakeUntilCancelled")
            .field("base", &self.base)
            .field("context", &self.cut.context)
            .finish()
    }
}

struct CutConsumer<'c, C, E> {
    base: C,
    cut: &'c Cut,
    /// It has said that it is full, though items may be left.
    was_cut: Cell<bool>,
    end: PhantomData<E>,
}

impl<'c, C, E> CutConsumer<'c, C, E> {
    fn new(base: C, cut: &'c Cut) -> Self {
        Self {
            base,
            cut,
            was_cut: Cell::new(false),
            end: PhantomData,
        }
    }
}

impl<'c, T, C: Consumer<E::Out>, E: End<T>> Consumer<T> for CutConsumer<'c, C, E> {
    type Folder = CutFolder<'c, C::Folder, E>;
    type Reducer = C::Reducer;
    type Result = C::Result;

    fn split_at(self, index: usize) -> (Self, Self, C::Reducer) {
        let (left, right, reducer) = self.base.split_at(index);
        (Self::new(left, self.cut), Self::new(right, self.cut), reducer)
    }

    fn into_folder(self) -> Self::Folder {
        CutFolder {
            base: self.base.into_folder(),
            cut: self.cut,
            was_cut: self.was_cut,
            end: PhantomData,
        }
    }

    fn full(&self) -> bool {
        self.base.full() || is_cut(self.cut, &self.was_cut)
    }
}

impl<T, C: UnindexedConsumer<E::Out>, E: End<T>> UnindexedConsumer<T> for CutConsumer<'_, C, E> {
    fn split_off_left(&self) -> Self {
        Self::new(self.base.split_off_left(), self.cut)
    }

    fn to_reducer(&self) -> C::Reducer {
        self.base.to_reducer()
    }
}

/// Has the cancel come? If so, this is where it keeps items back.
#[inline]
fn is_cut(cut: &Cut, was_cut: &Cell<bool>) -> bool {
    if cut.has_come() {
        was_cut.set(true);
    }
    was_cut.get()
}

struct CutFolder<'c, F, E> {
    base: F,
    cut: &'c Cut,
    was_cut: Cell<bool>,
    end: PhantomData<E>,
}

impl<F, E> CutFolder<'_, F, E> {
    /// Hands the folder behind to `f`, which runs in the scope.
    fn in_scope(self, f: impl FnOnce(F, &Cut, &Cell<bool>) -> F) -> Self {
        let Self { base, was_cut, .. } = self;
        let base = self.cut.context.run(|| f(base, self.cut, &was_cut));
        Self { base, was_cut, ..self }
    }
}

impl<T, F: Folder<E::Out>, E: End<T>> Folder<T> for CutFolder<'_, F, E> {
    type Result = F::Result;

    fn consume(self, item: T) -> Self {
        self.in_scope(|base, _, _| base.consume(E::item(item)))
    }

    fn consume_iter<I: IntoIterator<Item = T>>(self, items: I) -> Self {
        self.in_scope(|base, cut, was_cut| {
            let mut items = items.into_iter();
            base.consume_iter(std::iter::from_fn(move || {
                // With nothing left, there is nothing that the cancel keeps back.
                if !cut.context.token().is_quiet() && may_go_on(&items) && is_cut(cut, was_cut) {
                    return None;
                }
                items.next().map(E::item)
            }))
        })
    }

    fn complete(self) -> F::Result {
        let was_cut = self.was_cut.get() && !self.base.full();
        let last = if was_cut { E::last(self.cut) } else { None };
        match last {
            Some(last) => self.in_scope(|base, _, _| base.consume(last)).base.complete(),
            None => self.base.complete(),
        }
    }

    fn full(&self) -> bool {
        self.base.full() || is_cut(self.cut, &self.was_cut)
    }
}
