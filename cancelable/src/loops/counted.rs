//! Iterators that are known to keep their word about how many items are to come.
//!
//! A loop over a piece of one of them need not ask whether there is another item: it counts, and so has one way out,
//! which is what a compiler asks of a loop that it is to vectorise. That makes a false promise undefined behaviour; only
//! iterators of std's are promised for, which come down to a slice, a range of integers or a vector, and ours over these.

use std::array;
use std::fmt;
use std::iter::{Cloned, Copied, Enumerate, Map, Rev, Skip, StepBy, Take, Zip};
use std::mem::needs_drop;
use std::ops::{Range, RangeInclusive};
use std::slice::{self, Chunks, ChunksExact, ChunksExactMut, ChunksMut, Windows};
use std::vec;

/// Iterators that keep their word.
///
/// # Safety
///
/// `next`, `nth` and, where there are any, their likenesses from the back, called until they have given as many items as the
/// lower bound of `size_hint` has said, give `Some` each time or unwind.
///
/// (And a lower bound of 0 is the end. Nothing unsafe relies on that.)
pub unsafe trait Counted: Iterator {
    /// The next item, `Some`.
    ///
    /// # Safety
    ///
    /// Since `self` said a lower bound, it has been asked for fewer items than that.
    #[inline(always)]
    unsafe fn next_counted(&mut self) -> Option<Self::Item> {
        let item = self.next();
        if item.is_none() {
            // SAFETY: the caller's promise, and the one of this trait, given where it is implemented: there is another item.
            unsafe { std::hint::unreachable_unchecked() }
        }
        item
    }
}

/// The same for iterators with which the optimiser makes nothing of that unless it is told beforehand. (With others it makes
/// less of this: `zip`. See `cargo bench --bench macros`.)
///
/// # Safety
///
/// As for [`Counted::next_counted`].
#[inline(always)]
unsafe fn next_of_some<I: Counted>(items: &mut I) -> Option<I::Item> {
    // SAFETY: as there. What was said of what is to come is still so, less what has been taken since.
    unsafe { std::hint::assert_unchecked(items.size_hint().0 > 0) };
    items.next()
}

/// Iterators that a counted one with the same items can be made of; mostly themselves.
pub trait Countable: Iterator {
    /// The counted one.
    type Counted: Counted<Item = Self::Item>;

    /// Makes it.
    fn counted(self) -> Self::Counted;
}

macro_rules! counted {
    ($($items:ty, [$($generics:tt)*] $(, $next:ident)?;)*) => {$(
        // SAFETY: std's, and exact: the length of a slice or of a range of integers, or what is reckoned from such; see each.
        unsafe impl<$($generics)*> Counted for $items {
            $(
                #[inline(always)]
                unsafe fn next_counted(&mut self) -> Option<Self::Item> {
                    // SAFETY: the same promise.
                    unsafe { $next(self) }
                }
            )?
        }

        impl<$($generics)*> Countable for $items {
            type Counted = Self;

            #[inline]
            fn counted(self) -> Self {
                self
            }
        }
    )*};
}

counted! {
    // What is left of the slice.
    slice::Iter<'_, T>, [T];
    slice::IterMut<'_, T>, [T];
    Windows<'_, T>, [T];
    Chunks<'_, T>, [T];
    ChunksMut<'_, T>, [T];
    ChunksExact<'_, T>, [T];
    ChunksExactMut<'_, T>, [T];
    // As many as the inner one has, each from one of its own; what clones or maps them cannot reach it.
    Copied<I>, ['a, T: Copy + 'a, I: Counted<Item = &'a T>];
    Cloned<I>, ['a, T: Clone + 'a, I: Counted<Item = &'a T>], next_of_some;
    Enumerate<I>, [I: Counted];
    Map<I, F>, [T, I: Counted, F: FnMut(I::Item) -> T];
    Rev<I>, [I: Counted + DoubleEndedIterator];
    // The fewer of two, and of each as many as of the other.
    Zip<A, B>, [A: Counted, B: Counted];
    // Reckoned from what the inner one says, and taken from it by `nth`.
    StepBy<I>, [I: Counted];
    Skip<I>, [I: Counted];
    Take<I>, [I: Counted];
}

// SAFETY: std's, and the lower bound is the distance of the ends.
unsafe impl<T: Integer> Counted for Range<T> where Self: Iterator<Item = T> {}

impl<T: Integer> Countable for Range<T>
where
    Self: Iterator<Item = T>,
{
    type Counted = Self;

    #[inline]
    fn counted(self) -> Self {
        self
    }
}

macro_rules! integers {
    ($($int:ident as $unsigned:ident)*) => {
        $(impl Integer for $int {
            #[inline]
            fn after(self) -> Self {
                self.wrapping_add(1)
            }

            #[inline]
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_lossless)]
            fn distance(self, later: Self) -> u64 {
                // Signed integers may be further apart than their own maximum.
                u64::try_from(later.wrapping_sub(self) as $unsigned).unwrap_or(u64::MAX)
            }
        })*
    };
}

integers! {
    u8 as u8  u16 as u16  u32 as u32  usize as usize
    i8 as u8  i16 as u16  i32 as u32  isize as usize
}

#[cfg(target_pointer_width = "64")]
integers! { u64 as u64  i64 as u64 }

/// The integers that ranges are of, if their number fits into a bound. (Of `(0..u128::MAX).skip(usize::MAX)`, the lower one
/// says that there are none.)
pub trait Integer: Copy + PartialOrd {
    /// The integer after this one; behind the last comes the first, which nobody gets to see.
    fn after(self) -> Self;
    /// How far it is to a `later` one, or `u64::MAX`.
    fn distance(self, later: Self) -> u64;
}

/// An inclusive range, counted: std's own looks at each turn whether it was the last.
#[derive(Debug)]
pub struct Inclusive<T> {
    next: T,
    /// At most `u64::MAX`, though there may be more: nobody goes through so many.
    left: u64,
}

impl<T: Integer> Iterator for Inclusive<T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.left = self.left.checked_sub(1)?;
        let item = self.next;
        self.next = item.after();
        Some(item)
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left);
        (left.unwrap_or(usize::MAX), left.ok())
    }
}

// SAFETY: `next` gives `left` items, and no bound says more.
unsafe impl<T: Integer> Counted for Inclusive<T> {}

impl<T: Integer> Countable for RangeInclusive<T>
where
    Self: Iterator<Item = T>,
{
    type Counted = Inclusive<T>;

    #[inline]
    fn counted(self) -> Inclusive<T> {
        // One that has been gone through to its end is empty, whatever its ends say.
        let left = if self.is_empty() {
            0
        } else {
            self.start().distance(*self.end()).saturating_add(1)
        };
        Inclusive {
            next: *self.start(),
            left,
        }
    }
}

/// A vector or an array. Items that need no destructor are read and left where they are: std's own iterator says after
/// each how much of it is still to be dropped. (Whether items are `Copy` may not be known yet where the kind of a loop is chosen.)
pub struct MoveOut<I> {
    owner: I,
    /// How many have been read; of items with a destructor, which `owner` gives out itself, none.
    taken: usize,
}

/// Says nothing of the items: some are somebody else's by now.
impl<I> fmt::Debug for MoveOut<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoveOut").finish_non_exhaustive()
    }
}

macro_rules! move_out {
    ($($owner:ty, [$($generics:tt)*];)*) => {$(
        impl<$($generics)*> Countable for $owner {
            type Counted = MoveOut<Self>;

            #[inline]
            fn counted(self) -> MoveOut<Self> {
                MoveOut { owner: self, taken: 0 }
            }
        }

        impl<$($generics)*> Iterator for MoveOut<$owner> {
            type Item = T;

            #[inline]
            fn next(&mut self) -> Option<T> {
                if needs_drop::<T>() {
                    return self.owner.next();
                }
                let item: *const T = self.owner.as_slice().get(self.taken)?;
                self.taken += 1;
                // SAFETY: an item of `owner`'s, which nobody else gets: it is the only one with this number, and `owner`,
                // which has not given it out, is not asked any more but to be dropped. That does nothing to its items.
                Some(unsafe { item.read() })
            }

            #[inline]
            fn size_hint(&self) -> (usize, Option<usize>) {
                let left = self.owner.as_slice().len() - self.taken;
                (left, Some(left))
            }
        }

        // SAFETY: std's, and exact; or `owner` is only looked at, so its slice stays as long as it is, and `next` gives each of its items.
        unsafe impl<$($generics)*> Counted for MoveOut<$owner> {
            #[inline(always)]
            unsafe fn next_counted(&mut self) -> Option<T> {
                if needs_drop::<T>() {
                    return self.owner.next();
                }
                let items = self.owner.as_slice();
                // SAFETY: by the caller's promise there is another item; the rest as in `next`.
                let item = unsafe { items.as_ptr().add(self.taken).read() };
                self.taken += 1;
                Some(item)
            }
        }
    )*};
}

move_out! {
    vec::IntoIter<T>, [T];
    array::IntoIter<T, N>, [T, const N: usize];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_items_are_moved_out_of_shows_none_of_them() {
        let mut items = vec![1, 2].into_iter().counted();
        assert_eq!(items.next(), Some(1));
        assert_eq!(format!("{items:?}"), "MoveOut { .. }");
    }
}
