//! `every = N`: loops that check only every N turns.
//!
//! A `while` or a `loop` counts ([`Turns`]). A `for` is cut in pieces of N items, with a check before each: the loop
//! over a piece is then a plain counted loop, which the compiler unrolls and vectorises as it would the original.
//!
//! ```text
//! Input:  for PAT in EXPR { BODY }
//! Output: match IntoIterator::into_iter(EXPR) {
//!             items => match Probe::of(&items).kind().pieces(items, N) {
//!                 mut pieces => while let Some(piece) = pieces.next_piece() {
//!                     CHECK
//!                     for PAT in piece { BODY }
//!                     if !pieces.more() { break; }
//!                 }
//!             }
//!         }
//! ```
//! A `break` in the body leaves the inner loop before its piece has said that there is more to come, and so the outer
//! one too: no `break` need be rewritten, and those hidden in macros mean what they meant.

use std::array;
use std::iter::{Copied, Empty};
use std::marker::PhantomData;
use std::ops::{Deref, Range, RangeInclusive};
use std::slice;
use std::vec;

/// Counts the turns of a `while` or a `loop`, and says at which to check: the first, and every N-th after it.
#[derive(Debug)]
pub struct Turns {
    every: usize,
    left: usize,
}

impl Turns {
    /// `every` of 0 is taken for 1.
    #[inline]
    pub const fn new(every: usize) -> Self {
        Self {
            every: if every == 0 { 1 } else { every },
            left: 0,
        }
    }

    /// How many checks, one in every `every` turns, it takes to go through `turns`.
    #[inline]
    pub const fn rounds(turns: usize, every: usize) -> usize {
        turns.div_ceil(if every == 0 { 1 } else { every })
    }

    /// A turn begins; is it one that checks?
    #[inline]
    pub fn begin(&mut self) -> bool {
        if self.left == 0 {
            self.left = self.every - 1;
            true
        } else {
            self.left -= 1;
            false
        }
    }
}

/// Asks an iterator's type whether it can be cut up. Its `kind` is that of the iterators that can (`Cut`) where
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

/// Iterators that are cut up.
#[derive(Clone, Copy, Debug)]
pub struct Cut;

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

impl<I: Split> Probe<I> {
    /// It can be cut up.
    #[inline]
    pub const fn kind(&self) -> Cut {
        Cut
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

    /// There is none; its items are of whatever type the loop takes them to be.
    pub fn next_piece<T>(&mut self) -> Option<Empty<T>> {
        None
    }

    /// No.
    pub const fn more(&self) -> bool {
        false
    }
}

/// Iterators that know their length and can hand out the next few items as an iterator of their own: those of slices,
/// ranges of integers, and vectors and arrays of `Copy` items.
pub trait Split {
    /// Hands the items out.
    type Splitter: Splitter;

    /// The same items, to be handed out in pieces.
    fn splitter(self) -> Self::Splitter;
}

/// What is left of an iterator that is cut up.
pub trait Splitter {
    /// The next few items.
    type Piece<'a>: Iterator
    where
        Self: 'a;

    /// Takes the next `most` items out, or what there is; `None` if there is none.
    fn split(&mut self, most: usize) -> Option<Self::Piece<'_>>;
}

impl Cut {
    /// Cuts `items` up in pieces of `every`.
    #[inline]
    pub fn pieces<I: Split>(self, items: I, every: usize) -> CutPieces<I::Splitter> {
        CutPieces {
            items: items.splitter(),
            every: every.max(1),
            more: false,
        }
    }
}

/// The pieces of an iterator that can be cut up.
#[derive(Debug)]
pub struct CutPieces<I> {
    items: I,
    every: usize,
    more: bool,
}

impl<I: Splitter> CutPieces<I> {
    /// The next one, if any item is left.
    #[inline]
    pub fn next_piece(&mut self) -> Option<CutPiece<'_, I::Piece<'_>>> {
        self.more = false;
        let items = self.items.split(self.every)?;
        Some(CutPiece {
            items,
            more: &mut self.more,
        })
    }

    /// Was the last piece gone through to its end?
    #[inline]
    pub const fn more(&self) -> bool {
        self.more
    }
}

/// One piece; says when it has been gone through.
#[derive(Debug)]
pub struct CutPiece<'a, P> {
    items: P,
    more: &'a mut bool,
}

impl<P: Iterator> Iterator for CutPiece<'_, P> {
    type Item = P::Item;

    #[inline]
    fn next(&mut self) -> Option<P::Item> {
        let item = self.items.next();
        if item.is_none() {
            *self.more = true;
        }
        item
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl Pull {
    /// Goes through `items` in pieces of `every`.
    #[inline]
    pub fn pieces<I: Iterator>(self, items: I, every: usize) -> PullPieces<I> {
        PullPieces {
            items,
            every: every.max(1),
            more: false,
        }
    }
}

/// The pieces of any iterator.
#[derive(Debug)]
pub struct PullPieces<I> {
    items: I,
    every: usize,
    more: bool,
}

impl<I: Iterator> PullPieces<I> {
    /// The next one, if any item is left: where the iterator does not say so, its next item is the answer.
    #[inline]
    pub fn next_piece(&mut self) -> Option<PullPiece<'_, I>> {
        self.more = false;
        let (first, left) = if self.items.size_hint().0 > 0 {
            (None, self.every)
        } else {
            (Some(self.items.next()?), self.every - 1)
        };
        Some(PullPiece {
            first,
            left,
            items: &mut self.items,
            more: &mut self.more,
        })
    }

    /// Was the last piece gone through to its end, with the iterator's own end not reached?
    #[inline]
    pub const fn more(&self) -> bool {
        self.more
    }
}

/// One piece; says when it has been gone through.
#[derive(Debug)]
pub struct PullPiece<'a, I: Iterator> {
    first: Option<I::Item>,
    left: usize,
    items: &'a mut I,
    more: &'a mut bool,
}

impl<I: Iterator> Iterator for PullPiece<'_, I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        if self.first.is_some() {
            return self.first.take();
        }
        if self.left == 0 {
            *self.more = true;
            return None;
        }
        self.left -= 1;
        self.items.next()
    }
}

impl<T> Split for slice::Iter<'_, T> {
    type Splitter = Self;

    #[inline]
    fn splitter(self) -> Self {
        self
    }
}

impl<'s, T> Splitter for slice::Iter<'s, T> {
    type Piece<'a>
        = slice::Iter<'s, T>
    where
        Self: 'a;

    #[inline]
    fn split(&mut self, most: usize) -> Option<slice::Iter<'s, T>> {
        let all = self.as_slice();
        if all.is_empty() {
            return None;
        }
        let (piece, rest) = all.split_at(all.len().min(most));
        *self = rest.iter();
        Some(piece.iter())
    }
}

impl<T> Split for slice::IterMut<'_, T> {
    type Splitter = Self;

    #[inline]
    fn splitter(self) -> Self {
        self
    }
}

impl<'s, T> Splitter for slice::IterMut<'s, T> {
    type Piece<'a>
        = slice::IterMut<'s, T>
    where
        Self: 'a;

    #[inline]
    fn split(&mut self, most: usize) -> Option<slice::IterMut<'s, T>> {
        let all = std::mem::take(self).into_slice();
        if all.is_empty() {
            return None;
        }
        let middle = all.len().min(most);
        let (piece, rest) = all.split_at_mut(middle);
        *self = rest.iter_mut();
        Some(piece.iter_mut())
    }
}

/// A vector or an array of items that may be read and left where they are, since they are `Copy`.
#[derive(Debug)]
pub struct CopyOut<I> {
    owner: I,
    taken: usize,
}

macro_rules! copy_out {
    ($($owner:ty, [$($generics:tt)*];)*) => {$(
        impl<$($generics)*> Split for $owner {
            type Splitter = CopyOut<Self>;

            #[inline]
            fn splitter(self) -> CopyOut<Self> {
                CopyOut { owner: self, taken: 0 }
            }
        }

        impl<$($generics)*> Splitter for CopyOut<$owner> {
            type Piece<'a>
                = Copied<slice::Iter<'a, T>>
            where
                Self: 'a;

            #[inline]
            fn split(&mut self, most: usize) -> Option<Self::Piece<'_>> {
                let rest = self.owner.as_slice().get(self.taken..)?;
                if rest.is_empty() {
                    return None;
                }
                let piece = &rest[..rest.len().min(most)];
                self.taken += piece.len();
                Some(piece.iter().copied())
            }
        }
    )*};
}

copy_out! {
    vec::IntoIter<T>, [T: Copy];
    array::IntoIter<T, N>, [T: Copy, const N: usize];
}

/// The integers from `next` on, as many as `left` says.
#[derive(Clone, Debug)]
pub struct Ascending<T> {
    next: T,
    left: usize,
}

/// The integers that ranges are of.
pub trait Integer: Copy {
    /// How many integers there are from this one to `end`, without it; none if it is not below. At most `most`.
    fn steps_to(self, end: Self, most: usize) -> usize;
    /// The integer after this one; behind the last comes the first, which nobody gets to see.
    fn after(self) -> Self;
    /// The integer that is `steps` later, which there is.
    fn later(self, steps: usize) -> Self;
}

macro_rules! integers {
    ($($int:ident as $unsigned:ident)*) => {$(
        impl Integer for $int {
            #[inline]
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_lossless)]
            fn steps_to(self, end: Self, most: usize) -> usize {
                if self >= end {
                    return 0;
                }
                // Signed ranges may be longer than their type's own maximum.
                usize::try_from(end.wrapping_sub(self) as $unsigned).unwrap_or(usize::MAX).min(most)
            }

            #[inline]
            fn after(self) -> Self {
                self.wrapping_add(1)
            }

            #[inline]
            #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
            fn later(self, steps: usize) -> Self {
                self.wrapping_add(steps as $int)
            }
        }
    )*};
}

integers! {
    u8 as u8  u16 as u16  u32 as u32  u64 as u64  u128 as u128  usize as usize
    i8 as u8  i16 as u16  i32 as u32  i64 as u64  i128 as u128  isize as usize
}

impl<T: Integer> Iterator for Ascending<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        let item = self.next;
        self.next = item.after();
        Some(item)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T: Integer> Split for Range<T> {
    type Splitter = Self;

    #[inline]
    fn splitter(self) -> Self {
        self
    }
}

impl<T: Integer> Splitter for Range<T> {
    type Piece<'a>
        = Ascending<T>
    where
        Self: 'a;

    #[inline]
    fn split(&mut self, most: usize) -> Option<Ascending<T>> {
        let left = self.start.steps_to(self.end, most);
        if left == 0 {
            return None;
        }
        let next = self.start;
        self.start = next.later(left);
        Some(Ascending { next, left })
    }
}

/// An inclusive range: the exclusive one below its end, and then the end.
#[derive(Debug)]
pub struct Inclusive<T> {
    below: Range<T>,
    last: Option<T>,
}

impl<T: Integer + PartialOrd> Split for RangeInclusive<T> {
    type Splitter = Inclusive<T>;

    #[inline]
    fn splitter(self) -> Inclusive<T> {
        // A range that has been iterated to its end is empty, whatever its bounds say.
        let last = if self.is_empty() { None } else { Some(*self.end()) };
        Inclusive {
            below: *self.start()..*self.end(),
            last,
        }
    }
}

impl<T: Integer> Splitter for Inclusive<T> {
    type Piece<'a>
        = Ascending<T>
    where
        Self: 'a;

    #[inline]
    fn split(&mut self, most: usize) -> Option<Ascending<T>> {
        let last = self.last?;
        match self.below.split(most) {
            // The end goes with the piece that has room for it.
            Some(piece) if piece.left < most => {
                self.last = None;
                Some(Ascending {
                    next: piece.next,
                    left: piece.left + 1,
                })
            }
            Some(piece) => Some(piece),
            None => {
                self.last = None;
                Some(Ascending { next: last, left: 1 })
            }
        }
    }
}
