//! How often this thread has come to what would notice a cancel: an await or scope in a branch of a `race` or `try_join`, somebody who
//! asks there, or waits for a token anywhere. And each note of `context/notes.rs` has such a number.

use std::cell::Cell;

struct Counted {
    /// All of them.
    all: Cell<u64>,
    /// As many as there were when the last note was written.
    noted: Cell<u64>,
}

thread_local! {
    static COUNTED: Counted = const {
        Counted {
            all: Cell::new(0),
            noted: Cell::new(0),
        }
    };
}

/// So far.
#[inline(always)]
pub(crate) fn so_far() -> u64 {
    COUNTED.with(|counted| counted.all.get())
}

/// The number of the last note.
#[inline(always)]
pub(crate) fn last_note() -> u64 {
    COUNTED.with(|counted| counted.noted.get())
}

/// One more.
#[inline]
pub(crate) fn count() {
    COUNTED.with(|counted| counted.all.set(counted.all.get() + 1));
}

/// One more, which is a note; its number.
#[inline(always)]
pub(crate) fn note() -> u64 {
    COUNTED.with(|counted| {
        let number = counted.all.get() + 1;
        counted.all.set(number);
        counted.noted.set(number);
        number
    })
}
