//! One cancellation event, shared by every token it reached.

use std::borrow::Cow;
use std::panic::Location;
use std::ptr;
use std::sync::OnceLock;
use std::task::Waker;
use std::time::{Duration, Instant};

use crate::clock;
use crate::primitive::Arc;
use crate::reason::{CancelReason, ReasonKind};
use crate::rounds::{Round, Rounds};

/// What all tokens cancelled by one call have in common, and whose cancel it is to them.
pub(crate) struct Cause {
    given: Given,
    /// The scope whose cancel it was, if it was one's and that has a name.
    scope: Option<Cow<'static, str>>,
    /// What was given, and the scope's name. Made when somebody first asks, so that a plain cancel allocates once; not if it is the
    /// same as what was given.
    reason: OnceLock<CancelReason>,
    when: When,
    rounds: Rounds,
}

/// Why, as far as the caller knew.
enum Given {
    /// Perhaps that of another cancel, and then with the name of that one's scope.
    Reason(CancelReason),
    /// Kind and line are all that there is to it ([`CancelReason::plain`]).
    Plain(ReasonKind, &'static Location<'static>),
    /// That of this one, which is none of these.
    Of(Arc<Cause>),
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
        Self::at(Given::Reason(reason), When::Asked(Instant::now()))
    }

    /// Of a deadline that has passed.
    pub(crate) fn due(reason: CancelReason, at: Instant, is_virtual: bool) -> Self {
        Self::at(Given::Reason(reason), When::Due { at, is_virtual })
    }

    /// Of a kind that knows no more than its line.
    pub(crate) fn plain(kind: ReasonKind, location: &'static Location<'static>) -> Self {
        Self::at(Given::Plain(kind, location), When::Asked(Instant::now()))
    }

    /// The same event for a scope that listens for it: it is the cancel of that scope, which is called so, if it has a name.
    pub(crate) fn heard_by(this: &Arc<Self>, scope: Option<Cow<'static, str>>) -> Arc<Self> {
        if this.scope == scope {
            return Arc::clone(this);
        }
        let event = match &this.given {
            Given::Of(event) => event,
            _ => this,
        };
        Arc::new(Self {
            scope,
            ..Self::at(Given::Of(Arc::clone(event)), this.when)
        })
    }

    /// What happened, whoever has heard of it.
    fn event(&self) -> &Self {
        match &self.given {
            Given::Of(event) => event,
            _ => self,
        }
    }

    /// Are both of the same event? It is what `Cancelled::belongs_to` asks.
    pub(crate) fn is_same_event(&self, other: &Self) -> bool {
        ptr::eq(self.event(), other.event())
    }

    fn at(given: Given, when: When) -> Self {
        Self {
            given,
            scope: None,
            reason: OnceLock::new(),
            when,
            rounds: Rounds::new(),
        }
    }

    pub(crate) fn reason(&self) -> &CancelReason {
        // As it was given, if no scope has a name.
        if let (Given::Reason(reason), None) = (&self.given, &self.scope) {
            if reason.scope().is_none() {
                return reason;
            }
        }
        self.reason.get_or_init(|| {
            let reason = match &self.given {
                Given::Reason(reason) => reason.clone(),
                Given::Plain(kind, location) => CancelReason::plain(*kind, location),
                Given::Of(event) => event.reason().clone(),
            };
            reason.of_scope(self.scope.clone())
        })
    }

    /// It is the cancel of the scope that is called so. To be said before the cause is published.
    pub(crate) fn sign(&mut self, scope: Cow<'static, str>) {
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
        self.event().rounds.is_over(Round::First)
    }

    /// And those who waited for that, under foreign wakers too?
    pub(crate) fn is_all_told(&self) -> bool {
        self.event().rounds.is_over(Round::Second)
    }

    /// Asks to be woken when everyone is [told](Self::is_told); `false` if they are.
    pub(crate) fn wake_when_told(&self, waker: &Waker) -> bool {
        self.event().rounds.wake_when_over(Round::First, waker)
    }

    /// Asks to be woken when [all are told](Self::is_all_told); `false` if they are.
    pub(crate) fn wake_when_all_told(&self, waker: &Waker) -> bool {
        self.event().rounds.wake_when_over(Round::Second, waker)
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
