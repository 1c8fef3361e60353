//! A `for` that checks every N turns: it goes through its items in pieces of N, with a check before each.
//!
//! ```text
//! Input:  'label: for PAT in EXPR { BODY }
//! Output: match IntoIterator::into_iter(EXPR) {
//!             items => match Probe::of(&items).kind().pieces(items, N) {
//!                 mut pieces => while pieces.go_on() {
//!                     if pieces.is_check_due() { CHECK }
//!                     'label: for PAT in pieces.next_piece() { BODY }
//!                 }
//!             }
//!         }
//! ```
//! The loop over a piece is a plain counted one where that can be ([`counted`](super::counted)), which the compiler unrolls
//! and vectorises as it would the original. A `break` in the body leaves it before its piece has said that it was gone
//! through, and so leaves the outer one too: no `break` need be rewritten, and those hidden in macros mean what they meant.

use std::iter::Empty;
use std::marker::PhantomData;
use std::ops::Deref;

use super::counted::{Countable, Counted};
use crate::context;
use crate::iter::may_go_on;

/// Asks an iterator's type whether its items can be counted. Its `kind` is that of the iterators that can (`Count`) where
/// that applies, and else the one found behind `Deref`, for all iterators (`Pull`): method lookup decides, once the
/// type is known, and needs no trait in scope.
#[derive(Debug)]
pub struct Probe<I>(AnyProbe<I>);

/// See [`Probe`].
#[derive(Debug)]
pub struct AnyProbe<I>(NoProbe<I>);

/// See [`Probe`]: for what is no iterator at all, which rustc has told of by then, once.
#[derive(Debug)]
pub struct NoProbe<I>(PhantomData<fn() -> I>);

/// Iterators whose items are counted.
#[derive(Clone, Copy, Debug)]
pub struct Count;

/// Iterators that are pulled, item by item.
#[derive(Clone, Copy, Debug)]
pub struct Pull;

/// Nothing to go through.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

impl<I> Probe<I> {
    /// About this iterator.
    #[inline]
    pub const fn of(_: &I) -> Self {
        Self(AnyProbe(NoProbe(PhantomData)))
    }
}

impl<I: Countable> Probe<I> {
    /// Its items are counted.
    #[inline]
    pub const fn kind(&self) -> Count {
        Count
    }
}

impl<I> Deref for Probe<I> {
    type Target = AnyProbe<I>;

    #[inline]
    fn deref(&self) -> &AnyProbe<I> {
        &self.0
    }
}

impl<I: Iterator> AnyProbe<I> {
    /// Nothing is known of it.
    #[inline]
    pub const fn kind(&self) -> Pull {
        Pull
    }
}

impl<I> Deref for AnyProbe<I> {
    type Target = NoProbe<I>;

    fn deref(&self) -> &NoProbe<I> {
        &self.0
    }
}

impl<I> NoProbe<I> {
    /// It is no iterator.
    pub const fn kind(&self) -> Nothing {
        Nothing
    }
}

impl Nothing {
    /// Of which there are none.
    pub fn pieces<I>(self, _: I, _: usize) -> Self {
        self
    }

    /// No.
    pub const fn go_on(&self) -> bool {
        false
    }

    /// No.
    pub const fn is_check_due(&self) -> bool {
        false
    }

    /// There is none; its items are of whatever type the loop takes them to be.
    pub fn next_piece<T>(&mut self) -> Empty<T> {
        std::iter::empty()
    }
}

impl Count {
    /// Goes through `items` in pieces of `every`.
    #[inline]
    pub fn pieces<I: Countable>(self, items: I, every: usize) -> CountedPieces<I::Counted> {
        CountedPieces {
            items: items.counted(),
            every: every.max(1),
            gone_through: true,
        }
    }
}

/// The pieces of an iterator whose items are counted.
#[derive(Debug)]
pub struct CountedPieces<I> {
    items: I,
    every: usize,
    /// Was the last piece gone through to its end?
    gone_through: bool,
}

impl<I: Counted> CountedPieces<I> {
    /// Is there to be another piece? If the items have been gone through, the iterator is asked once more, as the loop would
    /// have: in giving `None` it may do something, such as to skip what a `step_by` leaves over.
    #[inline]
    pub fn go_on(&mut self) -> bool {
        if !self.gone_through {
            return false;
        }
        let goes_on = self.items.size_hint().0 > 0;
        if !goes_on {
            self.gone_through = false;
            let none = self.items.next();
            debug_assert!(none.is_none(), "a lower bound of 0 is the end");
        }
        goes_on
    }

    /// Is it to be checked before that? There is something in it.
    #[inline]
    pub const fn is_check_due(&self) -> bool {
        true
    }

    /// The next one.
    #[inline]
    pub fn next_piece(&mut self) -> CountedPiece<'_, I> {
        self.gone_through = false;
        CountedPiece {
            left: self.items.size_hint().0.min(self.every),
            items: &mut self.items,
            gone_through: &mut self.gone_through,
        }
    }
}

/// One piece; says when it has been gone through.
#[derive(Debug)]
pub struct CountedPiece<'a, I> {
    /// Never more than what `items` has said is to come, less what was taken since.
    left: usize,
    items: &'a mut I,
    gone_through: &'a mut bool,
}

impl<I: Counted> Iterator for CountedPiece<'_, I> {
    type Item = I::Item;

    #[inline]
    #[allow(unsafe_code, reason = "one way out of the loop")]
    fn next(&mut self) -> Option<I::Item> {
        if self.left == 0 {
            *self.gone_through = true;
            return None;
        }
        self.left -= 1;
        // SAFETY: `left` was not 0 and has been made one less for this call; so it began as a lower bound of `items`, or
        // less, in `next_piece`, which nobody else has asked for an item since: it is borrowed.
        unsafe { self.items.next_counted() }
    }
}

impl Pull {
    /// Goes through `items` in pieces of `every`.
    #[inline]
    pub fn pieces<I: Iterator>(self, items: I, every: usize) -> PulledPieces<I> {
        PulledPieces {
            items,
            every: every.max(1),
            gone_through: true,
        }
    }
}

/// The pieces of any iterator.
#[derive(Debug)]
pub struct PulledPieces<I> {
    items: I,
    every: usize,
    /// Was the last piece gone through to its end, with the iterator's own end not reached?
    gone_through: bool,
}

impl<I: Iterator> PulledPieces<I> {
    /// Is there to be another piece? It may turn out to be empty: only the iterator's `None` is its end, for what it says
    /// beforehand may be wrong, and in giving `None` it may do something.
    #[inline]
    pub const fn go_on(&self) -> bool {
        self.gone_through
    }

    /// Is it to be checked before that? Not if the iterator says that nothing is left, which it is asked only where the check
    /// might make a difference.
    #[inline]
    pub fn is_check_due(&self) -> bool {
        context::is_quiet() || may_go_on(&self.items)
    }

    /// The next one.
    #[inline]
    pub fn next_piece(&mut self) -> PulledPiece<'_, I> {
        self.gone_through = false;
        PulledPiece {
            left: self.every,
            items: &mut self.items,
            gone_through: &mut self.gone_through,
        }
    }
}

/// One piece; says when it has been gone through.
#[derive(Debug)]
pub struct PulledPiece<'a, I> {
    left: usize,
    items: &'a mut I,
    gone_through: &'a mut bool,
}

impl<I: Iterator> Iterator for PulledPiece<'_, I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        if self.left == 0 {
            *self.gone_through = true;
            return None;
        }
        self.left -= 1;
        self.items.next()
    }
}
