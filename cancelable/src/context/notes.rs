//! What has been polled in a frame since it was entered, of what check points outside have to know: a list, the last first.
//!
//! A frame has one word for it, which every await reads before and after its poll. The nodes are rare. All the unsafe code is
//! here, and relies on one rule: *`head` and `below` point to boxes of this list, each reached once, or are null.*

use std::cell::Cell;
use std::ptr;

use crate::pending::{Level, Pending};
use crate::primitive::Arc;

/// The list. Whoever has one [`take`](Self::take)s what is in it before it goes away.
pub(super) struct Notes {
    head: Cell<*mut Note>,
}

struct Note {
    what: Arc<Pending>,
    role: Role,
    below: *mut Note,
}

#[derive(Clone, Copy)]
pub(super) enum Role {
    /// It is being polled itself: a check point with things inside.
    Keeper,
    /// It was polled and is pending, or was let go of; with the number that [`Pending::polled`] gave.
    Polled { polls: u32, loose: Option<Level> },
}

/// A place in a list: what was there when it was taken is below it. To be compared, not followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(*const ());

impl Mark {
    /// That of an empty list.
    pub(crate) const NOTHING: Self = Self(ptr::null());
}

impl Notes {
    pub(super) const fn new() -> Self {
        Self {
            head: Cell::new(ptr::null_mut()),
        }
    }

    #[inline(always)]
    pub(super) fn mark(&self) -> Mark {
        Mark(self.head.get().cast())
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.head.get().is_null()
    }

    #[cold]
    pub(super) fn push(&self, what: Arc<Pending>, role: Role) {
        let below = self.head.get();
        self.head.set(Box::into_raw(Box::new(Note { what, role, below })));
    }

    /// Takes the last one, unless it was there when `mark` was taken.
    pub(super) fn pop(&self, mark: Mark) -> Option<(Arc<Pending>, Role)> {
        let head = self.head.get();
        if head.is_null() || self.mark() == mark {
            return None;
        }
        // SAFETY: from `Box::into_raw` in `push`; the list forgets it here, before anything else can reach it.
        let Note { what, role, below } = *unsafe { Box::from_raw(head) };
        self.head.set(below);
        if let Role::Keeper = role {
            what.end_poll();
        }
        Some((what, role))
    }

    /// Takes all.
    #[inline]
    pub(super) fn take(&self) -> Taken {
        Taken(Self {
            head: Cell::new(self.head.replace(ptr::null_mut())),
        })
    }

    /// Says of those above `mark` that the await in which they were polled has ended.
    pub(super) fn loosen(&self, mark: Mark, level: Level) {
        let mut at = self.head.get();
        while !at.is_null() && Mark(at.cast_const().cast()) != mark {
            // SAFETY: a box of this list, and no reference to it is alive: none leaves this file.
            let note = unsafe { &mut *at };
            if let Role::Polled { loose, .. } = &mut note.role {
                *loose = Some(level);
            }
            at = note.below;
        }
    }

    /// Looks at them from the last to the first, until `f` has an answer.
    pub(super) fn find<T>(&self, mut f: impl FnMut(&Arc<Pending>, Role) -> Option<T>) -> Option<T> {
        let mut at = self.head.get();
        while !at.is_null() {
            // SAFETY: a box of this list. `f` may run wakers, which may push to the list, but only whoever pushed something above
            // takes it away, and those that run `f` take nothing.
            let (what, role, below) = unsafe { ((*at).what.clone(), (*at).role, (*at).below) };
            if let Some(found) = f(&what, role) {
                return Some(found);
            }
            at = below;
        }
        None
    }
}

/// What was polled in a frame that has been left.
pub(crate) struct Taken(Notes);

impl Taken {
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn pop(&self) -> Option<(Arc<Pending>, Role)> {
        self.0.pop(Mark::NOTHING)
    }
}

/// Nobody has adopted it.
impl Drop for Taken {
    #[inline]
    fn drop(&mut self) {
        if !self.is_empty() {
            self.forsake();
        }
    }
}

impl Taken {
    #[cold]
    fn forsake(&mut self) {
        while let Some((what, role)) = self.pop() {
            if let Role::Polled { polls, .. } = role {
                what.nobodys(polls);
            }
        }
    }
}
