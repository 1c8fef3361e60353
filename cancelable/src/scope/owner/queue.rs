//! A queue of those who wait for something, in order of arrival; each can leave it.

use std::collections::BTreeMap;
use std::task::Waker;

/// The place of one who waits. No other ever gets the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

#[derive(Default)]
pub(super) struct Queue {
    next: u64,
    waiting: BTreeMap<Ticket, Waker>,
}

impl Queue {
    pub(super) fn push(&mut self, waker: Waker) -> Ticket {
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.insert(ticket, waker);
        ticket
    }

    /// The first one, who has waited long enough.
    pub(super) fn pop(&mut self) -> Option<Waker> {
        self.waiting.pop_first().map(|(_, waker)| waker)
    }

    /// `None`: it has been taken out.
    pub(super) fn get_mut(&mut self, ticket: Ticket) -> Option<&mut Waker> {
        self.waiting.get_mut(&ticket)
    }

    /// `None`: it has been taken out.
    pub(super) fn remove(&mut self, ticket: Ticket) -> Option<Waker> {
        self.waiting.remove(&ticket)
    }
}
