//! Where a region's token comes from, and making it only when somebody needs it.
//!
//! Most scopes are over before anyone asked for their token: nobody called `current`, started a task, opened a child
//! scope, or met a check point while a deadline was pending. Such a scope needs no node in the tree. Until there is one,
//! its check points ask the state of its parent, or, if it has a deadline, a state that always sends them to have a closer
//! look: at the parent and at the clock, or, once the body has been pending, at the alarm. Only if they look very often is the
//! token made, for looking at that is cheaper. While the body is pending its task waits for the parent's cancel.

use std::cell::{Cell, OnceCell};
use std::panic::Location;
use std::time::Instant;

use crate::clock::Glance;
use crate::context::{Frame, LazyToken};
use crate::delay::Delay;
use crate::reason::CancelReason;
use crate::token::{CancellationToken, StateRef};

/// How a region gets its token.
pub(crate) trait Origin {
    /// What to ask until there is a token.
    fn state<'f>(&'f self, outer: Option<&'f Frame<'_>>) -> StateRef<'f>;
    /// Can it be told, without having the token made, that it would not be cancelled?
    fn is_clear(&self, outer: Option<&Frame<'_>>, glance: &Glance) -> bool;
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

    fn is_clear(&self, _: Option<&Frame<'_>>, _: &Glance) -> bool {
        true
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

    fn is_clear(&self, outer: Option<&Frame<'_>>, glance: &Glance) -> bool {
        outer.is_none_or(|outer| outer.is_clear_at(glance))
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

    fn is_clear(&self, _: Option<&Frame<'_>>, _: &Glance) -> bool {
        self.0.is_quiet()
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

    fn is_clear(&self, _: Option<&Frame<'_>>, _: &Glance) -> bool {
        false
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
    below: Option<Below<'a>>,
    made: OnceCell<CancellationToken>,
    looks: Looks,
}

/// How often check points of one poll may still look closer, which takes some nanoseconds, instead of having done what makes
/// the next ones cheap.
struct Looks(Cell<u32>);

impl Looks {
    /// At the clock, which costs ten times as much as at what the timer's thread has written.
    const AT_THE_CLOCK: u32 = 8;
    const AT_AN_ALARM: u32 = 64;

    fn new(left: u32) -> Self {
        Self(Cell::new(left))
    }

    fn may_look(&self) -> bool {
        let left = self.0.get();
        self.0.set(left.saturating_sub(1));
        left > 0
    }
}

/// What a pending region has in the place of its token.
#[derive(Clone, Copy)]
pub(super) struct Below<'a> {
    pub(super) stand_in: &'a CancellationToken,
    /// The frame outside is the stand-in's.
    pub(super) is_riding: bool,
    pub(super) deadline: Option<&'a Delay>,
}

impl<'a> Unmade<'a> {
    pub(super) fn new(origin: &'a dyn Origin) -> Self {
        Self {
            origin,
            below: None,
            made: OnceCell::new(),
            looks: Looks::new(Looks::AT_THE_CLOCK),
        }
    }

    /// In a later poll than the first.
    pub(super) fn below(below: Below<'a>, origin: &'a dyn Origin) -> Self {
        Self {
            below: Some(below),
            looks: Looks::new(Looks::AT_AN_ALARM),
            ..Self::new(origin)
        }
    }

    /// The token, if anyone needed it.
    pub(super) fn take_made(&mut self) -> Option<CancellationToken> {
        self.made.take()
    }
}

impl LazyToken for Unmade<'_> {
    fn get(&self, outer: Option<&Frame<'_>>) -> &CancellationToken {
        self.made.get_or_init(|| match self.below {
            Some(below) => self.origin.make_below(below.stand_in),
            None => self.origin.make(outer),
        })
    }

    fn made(&self) -> Option<&CancellationToken> {
        self.made.get()
    }

    fn is_clear(&self, outer: Option<&Frame<'_>>, glance: &Glance) -> bool {
        if self.made.get().is_some() || !self.looks.may_look() {
            return false;
        }
        let Some(below) = self.below else {
            return self.origin.is_clear(outer, glance);
        };
        let is_parent_clear = match outer {
            Some(outer) if below.is_riding => outer.is_clear_at(glance),
            _ => below.stand_in.is_quiet(),
        };
        is_parent_clear && below.deadline.is_none_or(Delay::is_quiet)
    }
}

/// The token of a region with a deadline of its own, which its task watches, and which is all that the token wants attention
/// for: check points may look at that, and spare the timer's thread.
pub(super) struct Watched<'a> {
    token: &'a CancellationToken,
    deadline: &'a Delay,
    looks: Looks,
}

impl<'a> Watched<'a> {
    pub(super) fn new(token: &'a CancellationToken, deadline: &'a Delay) -> Self {
        Self {
            token,
            deadline,
            looks: Looks::new(Looks::AT_AN_ALARM),
        }
    }
}

impl LazyToken for Watched<'_> {
    fn get(&self, _: Option<&Frame<'_>>) -> &CancellationToken {
        self.token
    }

    fn made(&self) -> Option<&CancellationToken> {
        Some(self.token)
    }

    fn is_clear(&self, _: Option<&Frame<'_>>, _: &Glance) -> bool {
        self.looks.may_look() && self.deadline.is_quiet() && !self.token.is_marked()
    }
}
