//! What has been polled in a frame since it was entered, of what check points outside have to know.
//!
//! One list for each thread, the last note at its end. As a rule those of the innermost frame are at the end; where a coroutine has
//! suspended in a frame they need not be, so each says whose it is. How many notes have been written tells every await, before and
//! after its poll, whether there is something new: that is all it asks for.

use std::cell::{Cell, RefCell};
use std::mem;

use crate::pending::Pending;
use crate::primitive::Arc;

thread_local! {
    static WRITTEN: Cell<u64> = const { Cell::new(0) };
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
    /// How long the list may become before what is out of date is taken out.
    static ROOM: Cell<usize> = const { Cell::new(LEAST_ROOM) };
}

const LEAST_ROOM: usize = 256;

/// A note's number, and all before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mark(u64);

/// Whose notes: the address of a frame. When that is gone they are, too.
pub(super) type Owner = usize;

struct Note {
    number: u64,
    owner: Owner,
    what: Arc<Pending>,
    role: Role,
}

#[derive(Clone, Copy)]
pub(super) enum Role {
    /// It is being polled itself: a check point with things inside.
    Keeper,
    /// It was polled and is pending, or was let go of; with the number that [`Pending::polled`] gave.
    Polled { polls: u32, is_loose: bool },
}

/// All notes so far.
#[inline(always)]
pub(crate) fn mark() -> Mark {
    Mark(WRITTEN.get())
}

/// Has anything been noted since?
#[inline(always)]
pub(crate) fn is_noted_since(mark: Mark) -> bool {
    WRITTEN.get() != mark.0
}

/// Is there none of anybody's on this thread?
pub(super) fn are_none() -> bool {
    NOTES.try_with(|notes| notes.borrow().is_empty()).unwrap_or(true)
}

/// On a thread that ends nobody is left to ask.
fn with<R>(f: impl FnOnce(&mut Vec<Note>) -> R) -> Option<R> {
    NOTES.try_with(|notes| f(&mut notes.borrow_mut())).ok()
}

pub(super) fn push(owner: Owner, what: Arc<Pending>, role: Role) {
    let number = WRITTEN.get() + 1;
    WRITTEN.set(number);
    let note = Note {
        number,
        owner,
        what,
        role,
    };
    let removed = with(|notes| {
        // What the last one says of the same thing does not count any more.
        let is_same = |last: &Note| last.owner == owner && Arc::ptr_eq(&last.what, &note.what);
        if notes.last().is_some_and(is_same) {
            let last = notes.len() - 1;
            return (Some(mem::replace(&mut notes[last], note)), Vec::new());
        }
        notes.push(note);
        let is_long = notes.len() > ROOM.get();
        (None, if is_long { outdated(notes) } else { Vec::new() })
    });
    // Outside the list: this may run wakers.
    drop(removed);
}

/// A poll that goes on for long has polled the same things again and again.
#[cold]
fn outdated(notes: &mut Vec<Note>) -> Vec<Note> {
    let is_outdated = |note: &Note| match note.role {
        Role::Keeper => false,
        Role::Polled { polls, .. } => !note.what.is_current(polls),
    };
    let (outdated, current) = notes.drain(..).partition(is_outdated);
    *notes = current;
    ROOM.set((2 * notes.len()).max(LEAST_ROOM));
    outdated
}

/// Takes the last one of this owner's that was written since.
pub(super) fn pop(owner: Owner, mark: Mark) -> Option<(Arc<Pending>, Role)> {
    with(|notes| {
        let since = |note: &Note| note.number > mark.0;
        let note = match notes.last() {
            Some(last) if since(last) && last.owner == owner => notes.pop()?,
            Some(last) if since(last) => {
                let at = notes.iter().rposition(|note| note.owner == owner && since(note))?;
                notes.remove(at)
            }
            _ => return None,
        };
        Some((note.what, note.role))
    })?
}

/// Says of those written since that the await is over in which they were polled.
pub(super) fn loosen(owner: Owner, mark: Mark) {
    change_since(owner, mark, Note::loosen);
}

/// Gives those written since to another owner, and says that the scope is over in which they were polled, if it is.
pub(super) fn give(owner: Owner, mark: Mark, to: Owner, is_over: bool) {
    change_since(owner, mark, |note| {
        note.owner = to;
        if is_over {
            note.loosen();
        }
    });
}

impl Note {
    fn loosen(&mut self) {
        if let Role::Polled { is_loose, .. } = &mut self.role {
            *is_loose = true;
        }
    }
}

fn change_since(owner: Owner, mark: Mark, change: impl Fn(&mut Note)) {
    with(|notes| {
        let since = notes.iter_mut().rev().take_while(|note| note.number > mark.0);
        since.filter(|note| note.owner == owner).for_each(change);
    });
}

/// All of an owner's, the last first. Copies, for whoever looks at them may run wakers.
pub(super) fn all(owner: Owner) -> Vec<(Arc<Pending>, Role)> {
    let copy = |note: &Note| (Arc::clone(&note.what), note.role);
    with(|notes| {
        let own = notes.iter().rev().filter(|note| note.owner == owner);
        own.map(copy).collect()
    })
    .unwrap_or_default()
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests;
