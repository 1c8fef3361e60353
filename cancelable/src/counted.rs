//! How often this thread has come to what would notice a cancel: an await or scope in a branch of a `race` or `try_join`, somebody who
//! asks there, or waits for a token anywhere. And each note of `context/notes.rs` has such a number.
//!
//! The notes that announce a keeper have numbers in between: it is polled itself, and nothing in it has noticed anything by that.

use std::cell::Cell;

/// As many numbers there are in between. (If all are taken, the next one is an ordinary one.)
const BETWEEN: u64 = 0xff;

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

/// Has nothing been counted since this number but what announces?
#[inline(always)]
pub(crate) fn is_silent_since(number: u64) -> bool {
    so_far() | BETWEEN == number | BETWEEN
}

/// The number of the last note.
#[inline(always)]
pub(crate) fn last_note() -> u64 {
    COUNTED.with(|counted| counted.noted.get())
}

/// One more.
#[inline]
pub(crate) fn count() {
    COUNTED.with(|counted| counted.all.set((counted.all.get() | BETWEEN) + 1));
}

/// One more, which is a note; its number.
#[inline(always)]
pub(crate) fn note() -> u64 {
    COUNTED.with(|counted| {
        let number = (counted.all.get() | BETWEEN) + 1;
        counted.all.set(number);
        counted.noted.set(number);
        number
    })
}

/// The same, of a note that announces.
#[inline(always)]
pub(crate) fn announcement() -> u64 {
    COUNTED.with(|counted| {
        let number = counted.all.get() + 1;
        counted.all.set(number);
        counted.noted.set(number);
        number
    })
}
