//! What is pending inside a check point, as the check point keeps it from poll to poll.

use std::task::{Poll, Waker};

use super::notes::{self, Mark, Owner, is_noted_since, mark};
use super::slot::{Frame, Polled, note, with};
use crate::pending::{Kind, Pending, Question};
use crate::primitive::Arc;

/// The check point as the keeper of what is pending inside, and as a hold or foreign waiter itself. Nothing as long as it is none
/// of these.
#[derive(Clone, Default)]
pub(crate) struct Inside(Option<Arc<Pending>>);

impl Inside {
    pub(crate) const NOTHING: Self = Self(None);

    pub(crate) fn get(&self) -> Option<&Arc<Pending>> {
        self.0.as_ref()
    }

    #[inline(always)]
    pub(crate) fn is_some(&self) -> bool {
        self.0.is_some()
    }

    /// Made now if need be.
    pub(crate) fn keeper(&mut self) -> &Arc<Pending> {
        self.0.get_or_insert_with(Pending::new)
    }

    pub(crate) fn has(&self, question: Question<'_>) -> bool {
        self.0.as_ref().is_some_and(|keeper| keeper.has_inside(question))
    }

    /// The check point itself is of this kind from now on, or no longer.
    pub(crate) fn set(&mut self, kind: Kind, is: bool) {
        if is {
            self.keeper().set(kind, true);
        } else if let Some(keeper) = &self.0 {
            keeper.set(kind, false);
        }
    }

    /// Says that it keeps what is polled in the innermost frame from now on, until it is noted itself. Returns what to take that
    /// back with if it is not.
    pub(crate) fn announce(&self) -> Mark {
        let mark = mark();
        if let Some(keeper) = &self.0 {
            with(|frame| {
                if let Some(frame) = frame {
                    frame.announce(keeper);
                }
            });
        }
        mark
    }

    /// Polls what is in the check point, and takes what was polled in there. If it is pending, the check point is to be noted in the
    /// same frame, or to [withdraw](Self::withdraw) its announcement.
    #[inline]
    pub(crate) fn poll<T>(&mut self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        let outside = self.announce();
        let mark = mark();
        let poll = poll();
        self.adopt_since(if poll.is_pending() { mark } else { outside });
        poll
    }

    /// Takes what was polled in the innermost frame since, and an announcement back that was made since.
    #[inline]
    pub(crate) fn adopt_since(&mut self, mark: Mark) {
        if is_noted_since(mark) {
            self.adopt(mark);
        }
    }

    #[inline(never)]
    fn adopt(&mut self, mark: Mark) {
        with(|frame| {
            if let Some(frame) = frame {
                self.take_in(frame.owner(), mark);
            }
        });
    }

    /// Takes what was polled in a frame that has been left.
    #[inline]
    pub(crate) fn keep(&mut self, polled: Polled) {
        if !polled.is_empty() {
            let (owner, since) = polled.take();
            self.take_in(owner, since);
        }
    }

    fn take_in(&mut self, owner: Owner, since: Mark) {
        notes::take_since(owner, since, |what, polls, is_loose| {
            self.keeper().adopt(&what, polls, is_loose);
        });
    }

    /// Is a check point spared that does not wait, and whose failure would drop all this?
    pub(crate) fn is_spared(&self) -> bool {
        self.has(Question::spared(Kind::Hold)) || self.has(Question::spared(Kind::Foreign))
    }

    /// It was polled with this waker, and is pending: whoever is outside is to know, if there is something to know.
    pub(crate) fn note(&self, waker: &Waker) {
        if let Some(keeper) = &self.0 {
            note(keeper, Some(waker), false);
        }
    }

    /// The same, for one that is in this frame. The note takes the place of its announcement.
    pub(crate) fn note_in(&self, frame: &Frame<'_>, waker: &Waker) {
        if let Some(keeper) = &self.0 {
            frame.note(keeper, Some(waker), false);
        }
    }

    /// Takes its announcement back. It is not going to be noted.
    #[cold]
    pub(crate) fn withdraw(&self) {
        if let Some(keeper) = &self.0 {
            notes::withdraw(keeper);
        }
    }

    /// The check point is done, or dropped. What lives on inside is somebody else's: as a rule of the code round it.
    pub(crate) fn end(&mut self) {
        if let Some(keeper) = self.0.take() {
            if !keeper.end() {
                return;
            }
            let has = |kind| keeper.has_inside(Question::any(kind));
            if has(Kind::Hold) || has(Kind::Foreign) {
                note(&keeper, None, true);
            }
        }
    }
}
