//! Where a region's token comes from, and making it only when somebody needs it.
//!
//! Most scopes are over before anyone asked for their token: nobody called `current`, started a task, or had a child scope
//! pending. Such a scope needs no node in the tree. Until there is one, its check points ask the state of its parent, or, if
//! it has a deadline, a state that always sends them to have a closer look: at the parent, at the clock, and, once the body
//! has been pending, at the alarm. If they look often the token is made, for looking at that is cheaper. While the body is
//! pending its task waits for the parent's cancel.

use std::cell::{Cell, OnceCell};
use std::panic::Location;
use std::time::Instant;

use crate::clock::Glance;
use crate::context::{About, Due, Frame, Host, LateSlot, LateToken, LazyToken, Outlook, Ridden, StandIn, peek};
use crate::delay::Delay;
use crate::primitive::Arc;
use crate::reason::CancelReason;
use crate::token::{CancellationToken, ChildOptions, StateRef};

/// What a region's token is made below.
#[derive(Clone, Copy)]
pub(crate) enum Above<'a> {
    /// The token of the frame outside, if there is one.
    Outer,
    Given(&'a CancellationToken),
    Nothing,
}

impl<'a> Above<'a> {
    /// This token; that of the frame outside is made for it.
    fn token(self, outer: Option<&Frame<'_>>) -> CancellationToken {
        match self {
            Self::Outer => outer.map_or(CancellationToken::never(), |outer| outer.token().clone()),
            Self::Given(token) => token.clone(),
            Self::Nothing => CancellationToken::never(),
        }
    }

    /// This token, to wait for. Whoever hangs on a token relies on its deadline being watched; one that no thread can watch has to be
    /// asked for.
    pub(super) fn stand_in(self, outer: Option<&Frame<'_>>) -> Option<CancellationToken> {
        let token = self.token(outer);
        (!token.attend()).then_some(token)
    }

    #[inline]
    fn outlook(self, outer: Option<&'a Frame<'_>>) -> Option<Outlook<'a>> {
        match self {
            Self::Outer => outer.map_or_else(|| Some(Outlook::bright()), Frame::outlook),
            Self::Given(token) => Some(Outlook::of(token.state_ref())),
            Self::Nothing => Some(Outlook::bright()),
        }
    }

    #[inline]
    pub(super) fn is_cancelled(self, outer: Option<&Frame<'_>>, glance: &Glance) -> bool {
        match self {
            Self::Outer => outer.is_some_and(|outer| outer.is_cancelled_at(glance)),
            Self::Given(token) => token.is_cancelled(),
            Self::Nothing => false,
        }
    }
}

/// How a region gets its token.
pub(crate) trait TokenOrigin: Send {
    /// The region begins: what counts from then on counts from now, which may have been read from the wall's clock.
    fn begin(&self) -> Glance {
        Glance::default()
    }
    fn above(&self) -> Above<'_>;
    /// Until when a token that is not made is certainly not cancelled, if what it would be below is not until then. `None`: that
    /// cannot be told.
    fn outlook<'f>(&self, above: Outlook<'f>) -> Option<Outlook<'f>> {
        Some(above)
    }
    /// The token, if it exists from the start.
    fn given(&self) -> Option<&CancellationToken> {
        None
    }
    /// Is there no waiting until somebody needs the token?
    fn is_needed_at_once(&self) -> bool {
        false
    }
    /// Would the token be cancelled from the start?
    fn is_cancelled(&self, outer: Option<&Frame<'_>>, glance: &Glance) -> bool {
        self.above().is_cancelled(outer, glance)
    }
    /// What the token is to know and to do, besides being below another.
    fn options(&self, _about: &About) -> ChildOptions {
        ChildOptions::default()
    }
    /// Makes the token of a region that is called so.
    fn make(&self, outer: Option<&Frame<'_>>, about: &About) -> CancellationToken {
        match (self.above(), outer) {
            (Above::Outer, Some(outer)) => self.make_below(outer.token(), about),
            (above, outer) => self.make_below(&above.token(outer), about),
        }
    }
    /// The same, below its stand-in.
    fn make_below(&self, stand_in: &CancellationToken, about: &About) -> CancellationToken {
        stand_in.child_with(self.options(about))
    }
    /// The token has been made, and is where everybody finds it: has what is watched on its behalf watched from now on.
    fn begun(&self, _token: &CancellationToken) {}
    /// What the task of a pending region may wait for, instead of having its token made: what that would be below. `None`: the token
    /// is needed.
    fn stand_in(&self, outer: Option<&Frame<'_>>) -> Option<CancellationToken> {
        self.above().stand_in(outer)
    }
    /// May it be made by others, from anywhere?
    fn may_be_late(&self) -> bool {
        true
    }
    /// With this deadline then.
    fn late_due(&self) -> Option<Due> {
        None
    }
    /// When the token would be cancelled by itself, and whether by a virtual clock.
    fn deadline(&self) -> Option<(Instant, bool)> {
        None
    }
}

/// Until when the token of a region that begins is certainly not cancelled.
#[inline]
pub(super) fn outlook<'a>(origin: &'a impl TokenOrigin, outer: Option<&'a Frame<'_>>) -> Option<Outlook<'a>> {
    match origin.above().outlook(outer) {
        Some(above) => origin.outlook(above),
        None => None,
    }
}

/// May a pending region ride on the frame outside?
pub(super) fn may_ride(origin: &impl TokenOrigin) -> bool {
    matches!(origin.above(), Above::Outer) && origin.may_be_late()
}

/// A token of its own, below nothing: a shield's.
pub(super) struct Root;

impl TokenOrigin for Root {
    fn above(&self) -> Above<'_> {
        Above::Nothing
    }
}

/// A child of the ambient token, and nothing more: a branch's.
pub(super) struct Child;

impl TokenOrigin for Child {
    fn above(&self) -> Above<'_> {
        Above::Outer
    }
}

/// A token that exists already.
pub(super) struct Existing(pub(super) CancellationToken);

impl TokenOrigin for Existing {
    fn above(&self) -> Above<'_> {
        Above::Given(&self.0)
    }

    fn given(&self) -> Option<&CancellationToken> {
        Some(&self.0)
    }

    fn make(&self, _: Option<&Frame<'_>>, _: &About) -> CancellationToken {
        self.0.clone()
    }

    fn stand_in(&self, _: Option<&Frame<'_>>) -> Option<CancellationToken> {
        None
    }

    fn may_be_late(&self) -> bool {
        false
    }
}

/// The token of a region that is dropped before it was made: cancelled, for whoever looks.
pub(super) struct Dropped {
    pub(super) stand_in: StandIn,
    pub(super) location: &'static Location<'static>,
}

impl TokenOrigin for Dropped {
    fn above(&self) -> Above<'_> {
        Above::Nothing
    }

    fn outlook<'f>(&self, _: Outlook<'f>) -> Option<Outlook<'f>> {
        None
    }

    fn make(&self, _: Option<&Frame<'_>>, about: &About) -> CancellationToken {
        let token = self.stand_in.token().child_with(ChildOptions {
            name: about.name.clone(),
            subject: about.observed.subject(),
            ..ChildOptions::default()
        });
        if !token.is_cancelled() {
            token.cancel_with(CancelReason::dropped_at(self.location));
        }
        token
    }
}

/// The token of a branch that has no state. If it has lost, for this reason, it is cancelled, for whoever looks.
pub(super) struct OfBranch {
    pub(super) lost: Option<&'static str>,
    pub(super) location: &'static Location<'static>,
}

impl TokenOrigin for OfBranch {
    fn above(&self) -> Above<'_> {
        Above::Outer
    }

    #[inline]
    fn outlook<'f>(&self, above: Outlook<'f>) -> Option<Outlook<'f>> {
        self.lost.is_none().then_some(above)
    }

    fn make(&self, outer: Option<&Frame<'_>>, about: &About) -> CancellationToken {
        let token = Child.make(outer, about);
        if let (Some(why), false) = (self.lost, token.is_cancelled()) {
            token.cancel_with(CancelReason::superseded(why, None, self.location));
        }
        token
    }
}

/// How often check points of one region look closer, at a deadline of its own or of what is outside, which takes a reading of the
/// clock, before its token is made: that costs as much as a dozen of them, and is cheaper to ask by far.
pub(super) const LOOKS: u8 = 8;

/// What a pending region has in the place of its token.
#[derive(Clone, Copy)]
pub(super) enum Standing<'a> {
    /// What it is registered with; and its alarm.
    Waits(&'a CancellationToken, Option<&'a Delay>),
    /// What it rides on; and its alarm, if it has one of its own.
    Rides(&'a Arc<LateToken>, Option<&'a Delay>),
}

impl<'a> Standing<'a> {
    fn alarm(self) -> Option<&'a Delay> {
        match self {
            Self::Waits(_, alarm) | Self::Rides(_, alarm) => alarm,
        }
    }
}

/// What a scope that is observed asks besides, whose token others may make.
#[inline(always)]
fn as_observed<'a>(outlook: Option<Outlook<'a>>, about: &About) -> Option<Outlook<'a>> {
    if about.observed.is_own() {
        outlook.map(Outlook::observed)
    } else {
        outlook
    }
}

/// The token of a region that has not needed one so far, for the length of a poll.
pub(super) struct TokenOnDemand<'a, O> {
    origin: &'a O,
    about: &'a About,
    /// In a later poll than the first.
    standing: Option<Standing<'a>>,
    outlook: Option<Outlook<'a>>,
    made: OnceCell<CancellationToken>,
    /// If there is something in it, the token is made through that.
    late: Option<&'a LateSlot>,
    looks: Cell<u8>,
    host: Option<&'a dyn Host>,
}

impl<'a, O: TokenOrigin> TokenOnDemand<'a, O> {
    /// Of a region that begins, with its place for what is shared with those who ride; or of a sync one.
    #[inline]
    pub(super) fn new(
        origin: &'a O,
        about: &'a About,
        outlook: Option<Outlook<'a>>,
        late: Option<&'a LateSlot>,
    ) -> Self {
        Self {
            origin,
            about,
            standing: None,
            outlook: as_observed(outlook, about),
            made: OnceCell::new(),
            late,
            looks: Cell::new(LOOKS),
            host: None,
        }
    }

    /// The same, with somebody whom check points ask.
    pub(super) fn hosted(self, host: Option<&'a dyn Host>) -> Self {
        Self { host, ..self }
    }

    /// Of one that is dropped.
    pub(super) fn dropped(origin: &'a O, about: &'a About) -> Self {
        let unmade = Self::new(origin, about, outlook(origin, None), None);
        unmade.looks.set(0);
        unmade
    }

    /// In a later poll than the first. Of what rides, this is the frame outside.
    #[inline]
    pub(super) fn pending(
        standing: Standing<'a>,
        outer: Option<&'a Frame<'_>>,
        origin: &'a O,
        about: &'a About,
        late: &'a LateSlot,
        looks: u8,
    ) -> Self {
        let above = match (standing, outer) {
            (Standing::Waits(stand_in, _), _) => Some(Outlook::of(stand_in.state_ref())),
            (Standing::Rides(..), Some(outer)) => outer.outlook(),
            (Standing::Rides(..), None) => None,
        };
        let outlook = match above {
            Some(above) => origin.outlook(above),
            None => None,
        };
        let mut outlook = as_observed(outlook, about);
        // In this order: who cancels it from outside makes the token, and is counted afterwards.
        if about.observed.is_own() && peek(late, |place| place.get().is_some_and(|late| late.is_made())) {
            outlook = None;
        }
        Self {
            origin,
            about,
            standing: Some(standing),
            outlook,
            made: OnceCell::new(),
            late: Some(late),
            looks: Cell::new(looks),
            host: None,
        }
    }

    /// What check points are to ask until there is a token.
    #[inline]
    pub(super) fn state(&self) -> StateRef<'a> {
        self.outlook.map_or(StateRef::wants_attention(), Outlook::state)
    }

    /// How often check points may look closer in later polls.
    pub(super) fn looks(&self) -> u8 {
        self.looks.get()
    }

    fn may_look(&self) -> bool {
        let left = self.looks.get();
        self.looks.set(left.saturating_sub(1));
        left > 0
    }

    pub(super) fn about(&self) -> &'a About {
        self.about
    }

    /// The token, if anyone needed it.
    pub(super) fn made(&self) -> Option<&CancellationToken> {
        self.made.get()
    }

    /// The same, to be kept.
    pub(super) fn take_made(&mut self) -> Option<CancellationToken> {
        self.made.take()
    }

    fn known_late(&self) -> Option<Arc<LateToken>> {
        self.late.and_then(|slot| peek(slot, |place| place.get().cloned()))
    }
}

impl<O: TokenOrigin> LazyToken for TokenOnDemand<'_, O> {
    fn get(&self, outer: Option<&Frame<'_>>) -> &CancellationToken {
        if let Some(token) = self.made.get() {
            return token;
        }
        // Deadlines outside may turn out to have passed, which runs callbacks and wakers, and these may ask for this very
        // token: then it is there by the time we come back, and ours, which nobody has seen, goes.
        let token = match (self.known_late(), self.standing) {
            (Some(late), _) => late.token(),
            (None, Some(Standing::Waits(stand_in, _))) => self.origin.make_below(stand_in, self.about),
            (None, Some(Standing::Rides(late, _))) => self.origin.make_below(&late.token(), self.about),
            (None, None) => self.origin.make(outer, self.about),
        };
        let is_ours = self.made.set(token).is_ok();
        let token = self.made.get_or_init(|| unreachable!("it has just been set"));
        if is_ours {
            self.origin.begun(token);
        }
        token
    }

    fn wants_outer(&self) -> bool {
        let is_first = self.made.get().is_none() && self.standing.is_none();
        is_first && matches!(self.origin.above(), Above::Outer) && self.known_late().is_none()
    }

    fn late(&self) -> Ridden {
        if self.late.is_none() || self.made.get().is_some() || !self.origin.may_be_late() {
            return Ridden::Not;
        }
        match self.known_late() {
            Some(late) => Ridden::Late(late),
            None => Ridden::Fresh {
                rides: self.standing.is_none() && may_ride(self.origin),
            },
        }
    }

    fn make_late(&self, frame: &Frame<'_>, outside: Option<Arc<LateToken>>) -> Option<Arc<LateToken>> {
        let (slot, waker) = (self.late?, frame.waker()?);
        let parent = match (self.standing, outside) {
            (Some(Standing::Waits(stand_in, _)), _) => StandIn::Made(stand_in.clone()),
            (Some(Standing::Rides(late, _)), _) => StandIn::Late(Arc::clone(late)),
            (None, Some(late)) => StandIn::Late(late),
            (None, None) => StandIn::Made(self.origin.above().token(frame.outer_of_same_task())),
        };
        let (name, due) = (self.about.name.clone(), self.origin.late_due());
        let late = LateToken::new(parent, name, self.about.observed.subject(), due, waker, slot);
        // Making a token outside may have had ours made meanwhile.
        if self.made.get().is_some() {
            return None;
        }
        peek(slot, |place| place.put(Arc::clone(&late)));
        Some(late)
    }

    fn given(&self) -> Option<(&CancellationToken, &LateSlot)> {
        Some((self.origin.given()?, self.late?))
    }

    fn place(&self) -> Option<&LateSlot> {
        self.late
    }

    fn wake_riders(&self) {
        if let Some(late) = self.known_late() {
            late.wake();
        }
    }

    fn is_clear(&self, glance: Option<&Glance>) -> bool {
        if self.made.get().is_some() || (glance.is_some() && !self.may_look()) {
            return false;
        }
        // What the timer's thread has seen is not all there is to see: that may be busy with others.
        let alarm = self.standing.and_then(Standing::alarm);
        alarm.is_none_or(Delay::is_quiet) && self.outlook.is_some_and(|outlook| outlook.is_clear(glance))
    }

    fn outlook(&self) -> Option<Outlook<'_>> {
        match self.made.get() {
            Some(token) => Some(Outlook::of(token.state_ref())),
            None => self.outlook,
        }
    }

    fn is_made_and_quiet(&self) -> bool {
        self.made.get().is_some_and(CancellationToken::is_quiet)
    }

    fn host(&self) -> Option<&dyn Host> {
        self.host
    }
}
