//! A `for` that checks at each turn: its iterator asks before it gives an item out.
//!
//! ```text
//! Input:  'label: for PAT in EXPR { BODY }
//! Output: {
//!             let mut asking = Site.asking();
//!             'label: for PAT in asking.before_each(IntoIterator::into_iter(EXPR)).items() { BODY }
//!             if asking.ended_it() { LEAVE }
//!         }
//! ```
//! The loop stays the user's own, and what EXPR borrows from lives as long as it would have.

use std::iter::Empty;
use std::ops::Deref;
use std::panic::Location;

use crate::context;
use crate::iter::may_go_on;

/// Whether it was a cancel that ended the loop.
#[derive(Debug)]
pub struct Asking {
    ended_it: bool,
    location: &'static Location<'static>,
}

impl Asking {
    /// Not yet.
    #[inline]
    pub(crate) const fn at(location: &'static Location<'static>) -> Self {
        Self {
            ended_it: false,
            location,
        }
    }

    /// The iterator of a loop.
    #[inline]
    pub const fn before_each<I>(&mut self, items: I) -> Asked<'_, I> {
        Asked { items, asking: self }
    }

    /// Was it?
    #[inline]
    pub const fn ended_it(&self) -> bool {
        self.ended_it
    }
}

/// The items of an iterator, up to a cancel that is noticed before one of them is taken.
#[derive(Debug)]
pub struct Asked<'a, I> {
    items: I,
    asking: &'a mut Asking,
}

impl<I: Iterator> Asked<'_, I> {
    /// What the loop goes through.
    #[inline]
    pub const fn items(self) -> Self {
        self
    }
}

/// What is no iterator, which rustc has told of by then, once: method lookup ends up here.
#[derive(Debug)]
pub struct NoItems;

impl<I> Deref for Asked<'_, I> {
    type Target = NoItems;

    fn deref(&self) -> &NoItems {
        &NoItems
    }
}

impl NoItems {
    /// None, of whatever type the loop takes them to be.
    pub const fn items<T>(&self) -> Empty<T> {
        std::iter::empty()
    }
}

impl<I: Iterator> Iterator for Asked<'_, I> {
    type Item = I::Item;

    // In one piece: a call that were handed `self` would keep the iterator out of the registers in every turn.
    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        if !context::is_quiet() && may_go_on(&self.items) && context::notices(self.asking.location) {
            self.asking.ended_it = true;
            return None;
        }
        self.items.next()
    }
}
