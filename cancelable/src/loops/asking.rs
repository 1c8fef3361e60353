//! A `for` that checks at each turn: its iterator asks before it gives an item out.
//!
//! ```text
//! Input:  'label: for PAT in EXPR { BODY }
//! Output: {
//!             let mut asking = Asking::new();
//!             'label: for PAT in asking.before_each(EXPR) { BODY }
//!             if asking.ended_it() { LEAVE }
//!         }
//! ```
//! The loop stays the user's own, and what EXPR borrows from lives as long as it would have.

use std::panic::Location;

use super::may_go_on;
use crate::context;

/// Whether it was a cancel that ended the loop.
#[derive(Debug, Default)]
pub struct Asking {
    ended_it: bool,
}

impl Asking {
    /// Not yet.
    #[inline]
    pub const fn new() -> Self {
        Self { ended_it: false }
    }

    /// The same items, up to a cancel that is noticed before one of them is taken.
    #[inline]
    #[track_caller]
    pub fn before_each<I: IntoIterator>(&mut self, items: I) -> Asked<'_, I::IntoIter> {
        Asked {
            items: items.into_iter(),
            ended_it: &mut self.ended_it,
            location: Location::caller(),
        }
    }

    /// Was it?
    #[inline]
    pub const fn ended_it(&self) -> bool {
        self.ended_it
    }
}

/// See [`Asking::before_each`].
#[derive(Debug)]
pub struct Asked<'a, I> {
    items: I,
    ended_it: &'a mut bool,
    location: &'static Location<'static>,
}

impl<I: Iterator> Iterator for Asked<'_, I> {
    type Item = I::Item;

    // In one piece: a call that were handed `self` would keep the iterator out of the registers in every turn.
    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        if !context::is_quiet() && may_go_on(&self.items) && context::notices(self.location) {
            *self.ended_it = true;
            return None;
        }
        self.items.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, self.items.size_hint().1)
    }
}
