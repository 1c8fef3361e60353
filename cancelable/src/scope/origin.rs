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
use crate::context::{About, Frame, LazyToken};
use crate::delay::Delay;
use crate::reason::CancelReason;
use crate::token::{CancellationToken, StateRef};

/// How a region gets its token.
pub(crate) trait Origin: Send {
    /// The region begins: what counts from then on counts from now.
    fn begin(&self) {}
    /// What to ask until there is a token.
    fn state<'f>(&'f self, outer: Option<&'f Frame<'_>>) -> StateRef<'f>;
    /// Can it be told, without having the token made, that it would not be cancelled?
    fn is_clear(&self, outer: Option<&Frame<'_>>, glance: Option<&Glance>) -> bool;
    /// The same, of its own deadline alone.
    fn is_ahead(&self, _glance: Option<&Glance>) -> bool {
        true
    }
    /// Is there no waiting until somebody needs the token?
    fn is_needed_at_once(&self) -> bool {
        false
    }
    /// Would the token be cancelled from the start?
    fn is_cancelled(&self, outer: Option<&Frame<'_>>) -> bool;
    /// Is it made below the token of the frame outside?
    fn is_below_outer(&self) -> bool {
        false
    }
    /// Makes the token of a region that is called so.
    fn make(&self, outer: Option<&Frame<'_>>, about: &About) -> CancellationToken;
    /// The token has been made, and is where everybody finds it: has what is watched on its behalf watched from now on.
    fn begun(&self, _token: &CancellationToken) {}

    /// What the task of a pending region may wait for, instead of having its token made: the parent. The region keeps it,
    /// and asks the three below from then on. `None`: the token is needed.
    fn stand_in(&self, _outer: Option<&Frame<'_>>) -> Option<CancellationToken> {
        None
    }
    /// As [`state`](Self::state), below the stand-in.
    fn state_below<'f>(&'f self, stand_in: &'f CancellationToken) -> StateRef<'f> {
        stand_in.state_ref()
    }
    /// As [`make`](Self::make), below the stand-in.
    fn make_below(&self, stand_in: &CancellationToken, _about: &About) -> CancellationToken {
        stand_in.child_token()
    }
    /// When the token would be cancelled by itself, and whether by a virtual clock.
    fn deadline(&self) -> Option<(Instant, bool)> {
        None
    }
}

/// A token of its own, below nothing: a shield's.
pub(super) struct Root;

impl Origin for Root {
    fn state<'f>(&'f self, _: Option<&'f Frame<'_>>) -> StateRef<'f> {
        StateRef::never()
    }

    fn is_clear(&self, _: Option<&Frame<'_>>, _: Option<&Glance>) -> bool {
        true
    }

    fn is_cancelled(&self, _: Option<&Frame<'_>>) -> bool {
        false
    }

    fn make(&self, _: Option<&Frame<'_>>, _: &About) -> CancellationToken {
        CancellationToken::new()
    }

    fn stand_in(&self, _: Option<&Frame<'_>>) -> Option<CancellationToken> {
        Some(CancellationToken::never())
    }
}

/// A child of the ambient token, and nothing more: a branch's.
pub(super) struct Child;

impl Origin for Child {
    fn is_below_outer(&self) -> bool {
        true
    }

    fn state<'f>(&'f self, outer: Option<&'f Frame<'_>>) -> StateRef<'f> {
        outer.map_or(StateRef::never(), Frame::state)
    }

    fn is_clear(&self, outer: Option<&Frame<'_>>, glance: Option<&Glance>) -> bool {
        outer.is_none_or(|outer| outer.is_clear_at(glance))
    }

    fn is_cancelled(&self, outer: Option<&Frame<'_>>) -> bool {
        outer.is_some_and(Frame::is_cancelled)
    }

    fn make(&self, outer: Option<&Frame<'_>>, _: &About) -> CancellationToken {
        outer.map_or_else(CancellationToken::new, |outer| outer.token().child_token())
    }
}

/// A token that exists already.
pub(super) struct Existing(pub(super) CancellationToken);

impl Origin for Existing {
    fn state<'f>(&'f self, _: Option<&'f Frame<'_>>) -> StateRef<'f> {
        self.0.state_ref()
    }

    fn is_clear(&self, _: Option<&Frame<'_>>, _: Option<&Glance>) -> bool {
        self.0.is_quiet()
    }

    fn is_cancelled(&self, _: Option<&Frame<'_>>) -> bool {
        self.0.is_cancelled()
    }

    fn make(&self, _: Option<&Frame<'_>>, _: &About) -> CancellationToken {
        self.0.clone()
    }
}

/// The token of a region that is dropped before it was made: cancelled, for whoever looks.
pub(super) struct Dropped {
    pub(super) stand_in: CancellationToken,
    pub(super) location: &'static Location<'static>,
}

impl Origin for Dropped {
    fn state<'f>(&'f self, _: Option<&'f Frame<'_>>) -> StateRef<'f> {
        StateRef::wants_attention()
    }

    fn is_clear(&self, _: Option<&Frame<'_>>, _: Option<&Glance>) -> bool {
        false
    }

    fn is_cancelled(&self, _: Option<&Frame<'_>>) -> bool {
        true
    }

    fn make(&self, _: Option<&Frame<'_>>, _: &About) -> CancellationToken {
        let token = self.stand_in.child_token();
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

impl Origin for OfBranch {
    fn is_below_outer(&self) -> bool {
        true
    }

    #[inline]
    fn state<'f>(&'f self, outer: Option<&'f Frame<'_>>) -> StateRef<'f> {
        match self.lost {
            None => Child.state(outer),
            Some(_) => StateRef::wants_attention(),
        }
    }

    fn is_clear(&self, outer: Option<&Frame<'_>>, glance: Option<&Glance>) -> bool {
        self.lost.is_none() && Child.is_clear(outer, glance)
    }

    fn is_cancelled(&self, outer: Option<&Frame<'_>>) -> bool {
        self.lost.is_some() || Child.is_cancelled(outer)
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

/// The token of a region that has not needed one so far, for the length of a poll.
pub(super) struct Unmade<'a, O> {
    origin: &'a O,
    about: &'a About,
    below: Option<Below<'a>>,
    made: OnceCell<CancellationToken>,
    looks: Cell<u8>,
}

/// What a pending region has in the place of its token.
#[derive(Clone, Copy)]
pub(super) struct Below<'a> {
    pub(super) stand_in: &'a CancellationToken,
    pub(super) deadline: Option<&'a Delay>,
}

impl<'a, O: Origin> Unmade<'a, O> {
    pub(super) fn new(origin: &'a O, about: &'a About, looks: u8) -> Self {
        Self {
            origin,
            about,
            below: None,
            made: OnceCell::new(),
            looks: Cell::new(looks),
        }
    }

    /// In a later poll than the first.
    pub(super) fn below(below: Below<'a>, origin: &'a O, about: &'a About, looks: u8) -> Self {
        Self {
            below: Some(below),
            ..Self::new(origin, about, looks)
        }
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

    /// The token, if anyone needed it.
    pub(super) fn made(&self) -> Option<&CancellationToken> {
        self.made.get()
    }

    /// The same, to be kept.
    pub(super) fn take_made(&mut self) -> Option<CancellationToken> {
        self.made.take()
    }
}

impl<O: Origin> LazyToken for Unmade<'_, O> {
    fn get(&self, outer: Option<&Frame<'_>>) -> &CancellationToken {
        if let Some(token) = self.made.get() {
            return token;
        }
        // Deadlines outside may turn out to have passed, which runs callbacks and wakers, and these may ask for this very
        // token: then it is there by the time we come back, and ours, which nobody has seen, goes.
        let token = match self.below {
            Some(below) => self.origin.make_below(below.stand_in, self.about),
            None => self.origin.make(outer, self.about),
        };
        let is_ours = self.made.set(token).is_ok();
        let token = self.made.get_or_init(|| unreachable!("it has just been set"));
        if is_ours {
            self.origin.begun(token);
        }
        token
    }

    fn wants_outer(&self) -> bool {
        self.made.get().is_none() && self.below.is_none() && self.origin.is_below_outer()
    }

    fn is_clear(&self, outer: Option<&Frame<'_>>, glance: Option<&Glance>) -> bool {
        if self.made.get().is_some() || (glance.is_some() && !self.may_look()) {
            return false;
        }
        match self.below {
            Some(below) => {
                let is_ahead = below.deadline.is_none_or(Delay::is_quiet);
                // What the timer's thread has seen is not all there is to see: that may be busy with others.
                is_ahead && below.stand_in.is_quiet() && glance.is_none_or(|_| self.origin.is_ahead(glance))
            }
            None => self.origin.is_clear(outer, glance),
        }
    }
}
