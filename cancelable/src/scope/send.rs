//! `Send` for regions, stated.

use super::origin::Origin;
use super::region::Region;
use super::state::State;

// SAFETY: a region has an origin, of which the trait says it, a body, and what is checked below.
//
// Rustc would find out by itself, but takes three steps for each of nested regions, and two dozen at the end, through timers. With
// its limit of 128, `Send` futures could not be nested as deep.
unsafe impl<O: Origin, F: Send> Send for Region<O, F> {}

const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<State>();
};
