//! Where a region's token comes from, and making it only when somebody needs it.
//!
//! Most scopes are over before anyone asked for their token: nothing inside went pending, nobody called `current`, no
//! child scope was opened. Such a scope needs no node in the tree. Until there is one, its check points ask the state of
//! its parent, or, if it has a deadline, a state that always sends them to have a closer look, which makes the token.

use std::cell::OnceCell;

use crate::context::{Frame, LazyToken};
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

/// The token of a region in its first poll, or of a sync scope.
pub(super) struct Unmade<'a> {
    origin: &'a dyn Origin,
    made: OnceCell<CancellationToken>,
}

impl<'a> Unmade<'a> {
    pub(super) fn new(origin: &'a dyn Origin) -> Self {
        Self {
            origin,
            made: OnceCell::new(),
        }
    }

    /// The token, if anyone needed it.
    pub(super) fn if_made(&self) -> Option<&CancellationToken> {
        self.made.get()
    }

    pub(super) fn into_made(self) -> Option<CancellationToken> {
        self.made.into_inner()
    }
}

impl LazyToken for Unmade<'_> {
    fn get(&self, outer: Option<&Frame<'_>>) -> &CancellationToken {
        self.made.get_or_init(|| self.origin.make(outer))
    }
}
