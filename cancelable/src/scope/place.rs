//! Promises about bodies that the compiler cannot see, or not deep enough: all the unsafe code of this layer.

use std::pin::Pin;

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

/// Drops what is in a pinned place, and leaves it empty.
///
/// As `place.set(None)`, which would make a `None` on the stack first, as large as the body, and move it here.
pub(super) fn clear<F>(place: Pin<&mut Option<F>>) {
    // SAFETY: nothing is moved out. The assignment drops the body where it is, and then there is none.
    let place = unsafe { place.get_unchecked_mut() };
    *place = None;
}
