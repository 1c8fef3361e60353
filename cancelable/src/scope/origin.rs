//! Where a region's token comes from, and making it only when somebody needs it.
//!
//! Most scopes are over before anyone asked for their token: nobody called `current`, started a task, opened a child
//! scope, or met a check point while a deadline was pending. Such a scope needs no node in the tree. Until there is one,
//! its check points ask the state of its parent, or, if it has a deadline, a state that always sends them to have a closer
//! look, which makes the token; and while its body is pending its task waits for the parent's cancel.

use std::cell::OnceCell;
use std::panic::Location;
use std::time::Instant;

use crate::context::{Frame, LazyToken};
use crate::reason::CancelReason;
use crate::token::{CancellationToken, StateRef};

/// How a region gets its token.
pub(crate) trait Origin {
    /// What to ask until there is a token.
    fn state<'f>(&'f self, outer: Option<&'f Frame<'_>>) -> StateRef<'f>;
    /// Is there no waiting until somebody needs the token?
    fn is_needed_at_once(&self) -> bool {
        false
    }
    /// Would the token be cancelled from the start?
    fn is_cancelled(&self, outer: Option<&Frame<'_>>) -> bool;
    /// Makes the token. Called once.
    fn make(&self, outer: Option<&Frame<'_>>) -> CancellationToken;

    /// What the task of a pending region may wait for, instead of having its token made: the parent. The region keeps it,
    /// and asks the two below from then on. `None`: the token is needed.
    fn stand_in(&self, _outer: Option<&Frame<'_>>) -> Option<CancellationToken> {
        None
    }
    /// As [`state`](Self::state), below the stand-in.
    fn state_below<'f>(&'f self, stand_in: &'f CancellationToken) -> StateRef<'f> {
        stand_in.state_ref()
    }
    /// As [`make`](Self::make), below the stand-in.
    fn make_below(&self, stand_in: &CancellationToken) -> CancellationToken {
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

    fn is_cancelled(&self, _: Option<&Frame<'_>>) -> bool {
        false
    }

    fn make(&self, _: Option<&Frame<'_>>) -> CancellationToken {
        CancellationToken::new()
    }

    fn stand_in(&self, _: Option<&Frame<'_>>) -> Option<CancellationToken> {
        Some(CancellationToken::never())
    }
}

/// A child of the ambient token, and nothing more: a branch's.
pub(super) struct Child;

impl Origin for Child {
    fn state<'f>(&'f self, outer: Option<&'f Frame<'_>>) -> StateRef<'f> {
        outer.map_or(StateRef::never(), Frame::state)
    }

    fn is_cancelled(&self, outer: Option<&Frame<'_>>) -> bool {
        outer.is_some_and(Frame::is_cancelled)
    }

    fn make(&self, outer: Option<&Frame<'_>>) -> CancellationToken {
        outer.map_or_else(CancellationToken::new, |outer| outer.token().child_token())
    }
}

/// A token that exists already.
pub(super) struct Existing<'a>(pub(super) &'a CancellationToken);

impl Origin for Existing<'_> {
    fn state<'f>(&'f self, _: Option<&'f Frame<'_>>) -> StateRef<'f> {
        self.0.state_ref()
    }

    fn is_cancelled(&self, _: Option<&Frame<'_>>) -> bool {
        self.0.is_cancelled()
    }

    fn make(&self, _: Option<&Frame<'_>>) -> CancellationToken {
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

    fn is_cancelled(&self, _: Option<&Frame<'_>>) -> bool {
        true
    }

    fn make(&self, _: Option<&Frame<'_>>) -> CancellationToken {
        let token = self.stand_in.child_token();
        if !token.is_cancelled() {
            token.cancel_with(CancelReason::dropped_at(self.location));
        }
        token
    }
}

/// The token of a region that has not needed one so far, for the length of a poll.
pub(super) struct Unmade<'a> {
    origin: &'a dyn Origin,
    stand_in: Option<&'a CancellationToken>,
    made: OnceCell<CancellationToken>,
}

impl<'a> Unmade<'a> {
    pub(super) fn new(origin: &'a dyn Origin) -> Self {
        Self {
            origin,
            stand_in: None,
            made: OnceCell::new(),
        }
    }

    /// In a later poll than the first.
    pub(super) fn below(stand_in: &'a CancellationToken, origin: &'a dyn Origin) -> Self {
        Self {
            stand_in: Some(stand_in),
            ..Self::new(origin)
        }
    }

    /// The token, if anyone needed it.
    pub(super) fn into_made(self) -> Option<CancellationToken> {
        self.made.into_inner()
    }
}

impl LazyToken for Unmade<'_> {
    fn get(&self, outer: Option<&Frame<'_>>) -> &CancellationToken {
        self.made.get_or_init(|| match self.stand_in {
            Some(stand_in) => self.origin.make_below(stand_in),
            None => self.origin.make(outer),
        })
    }
}
