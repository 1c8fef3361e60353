//! The function that an expansion stands in, for the errors of its check points.
//!
//! Each expansion has an item of its own in the function, `fn _cancelable_here() {}`, the name of whose type begins with that of the
//! function. It is asked for when there is an error, and by nobody else: a check costs nothing for it.

use std::any;
use std::marker::PhantomData;
use std::ops::Deref;
use std::panic::Location;

use crate::error::Cancelled;
use crate::observe;

/// Where a check point stands, as a type, so that it is not carried along.
pub trait Here {
    /// The same error, with the function's name.
    fn name(cancelled: Cancelled) -> Cancelled;

    /// The same, of a check point that has just noticed: observers are told.
    #[inline]
    fn tell(cancelled: Cancelled) -> Cancelled {
        let cancelled = Self::name(cancelled);
        observe::noticed(&cancelled);
        cancelled
    }
}

/// In a function that has such an item.
#[derive(Debug)]
pub struct In<H>(PhantomData<H>);

impl<H: Fn()> Here for In<H> {
    #[cold]
    #[inline(never)]
    fn name(cancelled: Cancelled) -> Cancelled {
        cancelled.in_function(function::<H>())
    }
}

/// Somewhere.
#[derive(Debug)]
pub struct Somewhere;

impl Here for Somewhere {
    #[inline]
    fn name(cancelled: Cancelled) -> Cancelled {
        cancelled
    }
}

/// The name of the function that has this item.
fn function<H: Fn()>() -> &'static str {
    let mut name = any::type_name::<H>();
    // Its own name, and the blocks and closures between it and the function.
    for within in ["::_cancelable_here", "::{{closure}}"] {
        while let Some(outer) = name.strip_suffix(within) {
            name = outer;
        }
    }
    name
}

/// What a call has given that may be one of a check point of ours: `check()`, `sleep(…).await`.
#[derive(Debug)]
pub struct Given<'a, T>(pub &'a mut T);

impl<T> Given<'_, Result<T, Cancelled>> {
    /// If that call has noticed a cancel, it was here. What it has been handed by others has another line.
    #[inline]
    #[track_caller]
    pub fn stands<H: Fn()>(self, _here: H) {
        if let Err(cancelled) = self.0 {
            noticed_at::<H>(cancelled, Location::caller());
        }
    }
}

#[cold]
#[inline(never)]
fn noticed_at<H: Fn()>(cancelled: &mut Cancelled, location: &Location<'_>) {
    if cancelled.observed_at() == location {
        *cancelled = In::<H>::name(cancelled.clone());
    }
}

/// The user's own function of that name has given something else: method lookup ends up here.
impl<T> Deref for Given<'_, T> {
    type Target = SomethingElse;

    fn deref(&self) -> &SomethingElse {
        &SomethingElse
    }
}

/// Not ours.
#[derive(Debug)]
pub struct SomethingElse;

impl SomethingElse {
    /// Nothing.
    #[inline(always)]
    pub fn stands(&self, _here: impl Fn()) {}
}
