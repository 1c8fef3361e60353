//! One cancellation event, shared by every token it reached.

use std::panic::Location;
use std::sync::OnceLock;
use std::task::Waker;
use std::time::Instant;

use crate::reason::{CancelReason, ReasonKind};
use crate::rounds::{Round, Rounds};

/// What all tokens cancelled by one call have in common. Two causes are the same event exactly if they are the same
/// allocation; that is what `Cancelled::belongs_to` compares.
pub(crate) struct Cause {
    /// Made when somebody first asks, if kind and line are all that there is to it: so a plain cancel allocates once.
    reason: OnceLock<CancelReason>,
    kind: ReasonKind,
    location: &'static Location<'static>,
    /// The deadline that passed, if that is what happened.
    deadline: Option<Instant>,
    rounds: Rounds,
}

impl Cause {
    pub(crate) fn new(reason: CancelReason, deadline: Option<Instant>) -> Self {
        Self {
            kind: reason.kind(),
            location: reason.location(),
            reason: OnceLock::from(reason),
            deadline,
            rounds: Rounds::new(),
        }
    }

    /// Of a kind that knows no more than its line ([`CancelReason::plain`]).
    pub(crate) fn plain(kind: ReasonKind, location: &'static Location<'static>) -> Self {
        Self {
            reason: OnceLock::new(),
            kind,
            location,
            deadline: None,
            rounds: Rounds::new(),
        }
    }

    pub(crate) fn reason(&self) -> &CancelReason {
        self.reason
            .get_or_init(|| CancelReason::plain(self.kind, self.location))
    }

    /// The deadline that passed, if that is what happened: tokens forget their own when they are cancelled.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Has everyone under a foreign waker been woken?
    pub(crate) fn is_told(&self) -> bool {
        self.rounds.is_over(Round::First)
    }

    /// And those who waited for that, under foreign wakers too?
    pub(crate) fn is_all_told(&self) -> bool {
        self.rounds.is_over(Round::Second)
    }

    /// Asks to be woken when everyone is [told](Self::is_told); `false` if they are.
    pub(crate) fn wake_when_told(&self, waker: &Waker) -> bool {
        self.rounds.wake_when_over(Round::First, waker)
    }

    /// Asks to be woken when [all are told](Self::is_all_told); `false` if they are.
    pub(crate) fn wake_when_all_told(&self, waker: &Waker) -> bool {
        self.rounds.wake_when_over(Round::Second, waker)
    }

    /// There are no rounds: nobody has to be woken before anybody else. To be said before the cause is published.
    pub(crate) fn skip_rounds(&self) {
        self.rounds.skip();
    }

    /// The first round is over, for everyone in it has been woken: ends it, and then the second, and hands each of those who
    /// waited for either to `wake`.
    pub(crate) fn end_rounds(&self, mut wake: impl FnMut(Waker)) {
        if self.rounds.end_both() {
            return;
        }
        self.rounds.end(Round::First).for_each(&mut wake);
        self.rounds.end(Round::Second).for_each(&mut wake);
    }
}
