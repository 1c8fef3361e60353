//! One cancellation event, shared by every token it reached.

use std::borrow::Cow;
use std::panic::Location;
use std::sync::OnceLock;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::clock;
use crate::reason::{CancelReason, ReasonKind};
use crate::rounds::{Round, Rounds};

/// What all tokens cancelled by one call have in common. Two causes are the same event exactly if they are the same
/// allocation; that is what `Cancelled::belongs_to` compares.
pub(crate) struct Cause {
    /// Made when somebody first asks, if kind and line are all that there is to it: so a plain cancel allocates once.
    reason: OnceLock<CancelReason>,
    kind: ReasonKind,
    location: &'static Location<'static>,
    /// The scope whose cancel it was, if it was one's and that has a name.
    scope: Option<Cow<'static, str>>,
    when: When,
    rounds: Rounds,
}

/// The moment of a cancel.
#[derive(Clone, Copy)]
enum When {
    /// It was asked for then, by the wall's clock.
    Asked(Instant),
    /// This deadline had passed, which goes by a virtual clock or not.
    Due { at: Instant, is_virtual: bool },
}

impl Cause {
    pub(crate) fn new(reason: CancelReason) -> Self {
        Self::at(reason, When::Asked(Instant::now()))
    }

    /// Of a deadline that has passed.
    pub(crate) fn due(reason: CancelReason, at: Instant, is_virtual: bool) -> Self {
        Self::at(reason, When::Due { at, is_virtual })
    }

    fn at(reason: CancelReason, when: When) -> Self {
        Self {
            kind: reason.kind(),
            location: reason.location(),
            reason: OnceLock::from(reason),
            scope: None,
            when,
            rounds: Rounds::new(),
        }
    }

    /// Of a kind that knows no more than its line ([`CancelReason::plain`]).
    pub(crate) fn plain(kind: ReasonKind, location: &'static Location<'static>) -> Self {
        Self {
            reason: OnceLock::new(),
            kind,
            location,
            scope: None,
            when: When::Asked(Instant::now()),
            rounds: Rounds::new(),
        }
    }

    pub(crate) fn reason(&self) -> &CancelReason {
        self.reason.get_or_init(|| {
            let reason = CancelReason::plain(self.kind, self.location);
            match &self.scope {
                Some(scope) => reason.of_scope(scope.clone()),
                None => reason,
            }
        })
    }

    /// It is the cancel of the scope that is called so. To be said before the cause is published.
    pub(crate) fn sign(&mut self, scope: Cow<'static, str>) {
        if let Some(reason) = self.reason.take() {
            self.reason = OnceLock::from(reason.of_scope(scope.clone()));
        }
        self.scope = Some(scope);
    }

    /// The name of the scope whose cancel it was.
    pub(crate) fn scope(&self) -> Option<&str> {
        self.scope.as_deref()
    }

    /// How long ago it was, by the clock that it goes by.
    pub(crate) fn elapsed(&self) -> Duration {
        let (at, now) = match self.when {
            When::Asked(at) | When::Due { at, is_virtual: false } => (at, Instant::now()),
            When::Due { at, is_virtual: true } => (at, clock::now().at),
        };
        now.saturating_duration_since(at)
    }

    /// The deadline that passed, if that is what happened: tokens forget their own when they are cancelled.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.when {
            When::Asked(_) => None,
            When::Due { at, .. } => Some(at),
        }
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
