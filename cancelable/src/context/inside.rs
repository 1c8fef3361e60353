//! What is pending inside a check point, as the check point keeps it from poll to poll.

use std::task::Waker;

use super::notes::{Mark, is_noted_since, mark};
use super::slot::{Polled, note, polled_since, with};
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

    /// Says that it keeps what is polled in the innermost frame from now on. Returns what to take that back with.
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

    /// Takes what was polled in the innermost frame since, and takes an announcement back.
    #[inline]
    pub(crate) fn adopt_since(&mut self, mark: Mark) {
        if is_noted_since(mark) {
            self.adopt(mark);
        }
    }

    #[cold]
    fn adopt(&mut self, mark: Mark) {
        with(|frame| {
            if let Some(frame) = frame {
                self.take_in(polled_since(frame.owner(), mark));
            }
        });
    }

    /// Takes what was polled in a frame that has been left.
    #[inline]
    pub(crate) fn keep(&mut self, polled: Polled) {
        if !polled.is_empty() {
            self.take_in(polled.take());
        }
    }

    #[cold]
    fn take_in(&mut self, polled: impl Iterator<Item = (Arc<Pending>, u32, bool)>) {
        for (what, polls, is_loose) in polled {
            self.keeper().adopt(&what, polls, is_loose);
        }
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

    /// The check point is done, or dropped. What lives on inside is somebody else's: as a rule of the code round it.
    pub(crate) fn end(&mut self) {
        if let Some(keeper) = self.0.take() {
            keeper.end();
            if keeper.is_empty() {
                return;
            }
            let has = |kind| keeper.has_inside(Question::any(kind));
            if has(Kind::Hold) || has(Kind::Foreign) {
                note(&keeper, None, true);
            }
        }
    }
}
