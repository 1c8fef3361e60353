//! How often this thread has come to what would notice a cancel: an await or scope in a branch of a `race` or `try_join`, somebody who
//! asks there, or waits for a token anywhere. And each note of `context/notes.rs` has such a number.

use std::cell::Cell;

thread_local! {
    static COUNTED: Cell<u64> = const { Cell::new(0) };
}

/// So far.
#[inline(always)]
pub(crate) fn so_far() -> u64 {
    COUNTED.get()
}

/// One more; its number.
#[inline(always)]
pub(crate) fn count() -> u64 {
    let number = COUNTED.get() + 1;
    COUNTED.set(number);
    number
}
