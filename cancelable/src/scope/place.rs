//! Emptying a place that is pinned.

use std::pin::Pin;

/// Drops what is in a pinned place, and leaves it empty.
///
/// As `place.set(None)`, which would make a `None` on the stack first, as large as the body, and move it here.
pub(super) fn clear<F>(place: Pin<&mut Option<F>>) {
    // SAFETY: nothing is moved out. The assignment drops the body where it is, and then there is none.
    let place = unsafe { place.get_unchecked_mut() };
    *place = None;
}
