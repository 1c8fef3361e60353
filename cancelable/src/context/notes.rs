//! What has been polled in a frame since it was entered, of what check points outside have to know.
//!
//! One list for each thread, the last note at its end. As a rule those of the innermost frame are at the end; where a coroutine has
//! suspended in a frame they need not be, so each says whose it is. How many notes have been written tells every await, before and
//! after its poll, whether there is something new: that is all it asks for.
//!
//! In the branches of a `race` or `try_join` those are counted with the notes who would notice a cancel (`counted.rs`): what has none
//! inside has nothing to do when it is cancelled.

use std::cell::{Cell, RefCell};

use crate::counted;
use crate::pending::Pending;
use crate::primitive::Arc;

thread_local! {
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
    /// How long the list may become before what is out of date is taken out.
    static ROOM: Cell<usize> = const { Cell::new(LEAST_ROOM) };
}

const LEAST_ROOM: usize = 256;

/// The number of a note, or of something else that was counted; and all before it.
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
    Mark(counted::so_far())
}

/// Has anything been noted since?
#[inline(always)]
pub(crate) fn is_noted_since(mark: Mark) -> bool {
    // As a rule there is nothing at all, which is one comparison.
    counted::so_far() != mark.0 && counted::last_note() > mark.0
}

/// Has nothing been noted since but who is being polled, nor [counted](counted::count)?
#[inline]
pub(crate) fn is_silent_since(mark: Mark) -> bool {
    counted::is_silent_since(mark.0)
}

/// Is there none of anybody's on this thread?
pub(super) fn are_none() -> bool {
    NOTES.try_with(|notes| notes.borrow().is_empty()).unwrap_or(true)
}

/// On a thread that ends nobody is left to ask.
#[inline(always)]
fn with<R>(f: impl FnOnce(&mut Vec<Note>) -> R) -> Option<R> {
    NOTES.try_with(|notes| f(&mut notes.borrow_mut())).ok()
}

pub(super) fn push(owner: Owner, what: &Arc<Pending>, role: Role) {
    let is_announced = matches!(role, Role::Keeper);
    let was_announced = what.set_announced(is_announced);
    let mut is_long = false;
    with(|notes| {
        if let Some(same) = notes.last_mut().filter(|last| last.is_about(owner, what)) {
            // What the last one says does not count any more. An announcement is as new as what takes its place.
            match (role, same.role) {
                (Role::Keeper, _) => same.number = counted::announcement(),
                (_, Role::Keeper) => counted::count(),
                _ => same.number = counted::note(),
            }
            same.role = role;
            return;
        }
        if was_announced {
            remove_announcement(notes, what);
        }
        let number = if is_announced {
            counted::announcement()
        } else {
            counted::note()
        };
        notes.push(Note {
            number,
            owner,
            what: Arc::clone(what),
            role,
        });
        is_long = notes.len() > ROOM.get();
    });
    if is_long {
        tidy();
    }
}

#[cold]
fn tidy() {
    let outdated = with(outdated);
    // Outside the list: this may run wakers.
    drop(outdated);
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

/// Takes those of this owner's that were written since, the last first, and hands those to `f` that are about what was polled: each
/// thing, how often it had been polled, and whether it was let go of.
#[inline(always)]
pub(super) fn take_since(owner: Owner, mark: Mark, mut f: impl FnMut(Arc<Pending>, u32, bool)) {
    // One at a time, for `f` may run wakers.
    while let Some(note) = pop(owner, mark) {
        match note.role {
            Role::Polled { polls, is_loose } => f(note.what, polls, is_loose),
            Role::Keeper => {
                note.what.set_announced(false);
            }
        }
    }
}

/// Takes the last one of this owner's that was written since.
#[inline(always)]
fn pop(owner: Owner, mark: Mark) -> Option<Note> {
    let mut taken = None;
    with(|notes| match notes.last() {
        Some(last) if last.number <= mark.0 => {}
        Some(last) if last.owner == owner => taken = notes.pop(),
        Some(_) => taken = take_from_between(notes, owner, mark),
        None => {}
    });
    taken
}

/// Takes the announcement of a keeper back.
pub(super) fn withdraw(keeper: &Arc<Pending>) {
    if keeper.set_announced(false) {
        with(|notes| remove_announcement(notes, keeper));
    }
}

/// (Drops but one of two references.)
#[cold]
fn remove_announcement(notes: &mut Vec<Note>, keeper: &Arc<Pending>) {
    let is_it = |note: &Note| matches!(note.role, Role::Keeper) && Arc::ptr_eq(&note.what, keeper);
    if let Some(at) = notes.iter().rposition(is_it) {
        notes.remove(at);
    }
}

/// The last ones are of another frame's, in which a coroutine has suspended.
#[cold]
fn take_from_between(notes: &mut Vec<Note>, owner: Owner, mark: Mark) -> Option<Note> {
    let is_since = |note: &Note| note.owner == owner && note.number > mark.0;
    let at = notes.iter().rposition(is_since)?;
    Some(notes.remove(at))
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
    #[inline]
    fn is_about(&self, owner: Owner, what: &Arc<Pending>) -> bool {
        self.owner == owner && Arc::ptr_eq(&self.what, what)
    }

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
