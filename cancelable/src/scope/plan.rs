//! `Plan`: where a scope's token comes from, as its options say, and when it ends by itself.
//!
//! A scope keeps it while it runs; its name and grace go to the region that runs.

use std::cell::Cell;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::listening::Listening;
use super::origin::Origin;
use crate::clock::{self, Glance, Now};
use crate::context::{About, Frame};
use crate::token::{CancellationToken, ChildOptions, Deadline, StateRef};

/// What a scope is told, but for what concerns its body.
#[derive(Default)]
pub(in crate::scope) struct Plan {
    pub(super) parent: Parent,
    pub(super) timeout: Option<(Duration, &'static Location<'static>)>,
    pub(super) deadline: Option<(Instant, &'static Location<'static>)>,
    /// Once it has begun, if it has a deadline.
    due: Cell<Option<Due>>,
    pub(super) listening: Option<Box<Listening>>,
}

/// What a scope hangs below.
#[derive(Debug, Default)]
pub(super) enum Parent {
    #[default]
    Ambient,
    Given(CancellationToken),
    None,
}

impl Plan {
    /// The earlier one of timeout and deadline.
    fn due_from(&self, now: Now) -> Option<Due> {
        let timeout = self.timeout.and_then(|(after, _)| now.at.checked_add(after));
        let deadline = self.deadline.map(|(at, _)| at);
        let at = match (timeout, deadline) {
            (Some(timeout), Some(deadline)) => timeout.min(deadline),
            (timeout, deadline) => timeout.or(deadline)?,
        };
        Some(Due {
            at,
            by_timeout: timeout == Some(at),
            is_virtual: now.is_virtual,
            is_past: at <= now.at,
        })
    }

    /// What the token is to know of its deadline.
    fn token_deadline(&self) -> Option<Deadline> {
        let due = self.due.get()?;
        let (after, location) = match (self.timeout, self.deadline) {
            (Some((after, location)), _) if due.by_timeout => (Some(after), location),
            (_, deadline) => (None, deadline?.1),
        };
        let mut deadline = Deadline::new(due.at, after, location);
        deadline.is_virtual = due.is_virtual;
        Some(deadline)
    }

    /// What the scope hangs below, if anything; the frame outside has its token made for it.
    fn parent_token<'f>(&'f self, outer: Option<&'f Frame<'_>>) -> Option<&'f CancellationToken> {
        match &self.parent {
            Parent::Ambient => outer.map(Frame::token),
            Parent::Given(parent) => Some(parent),
            Parent::None => None,
        }
    }

    /// Deadlines that nobody watches and links that nobody heard are looked at by the first check point.
    fn has_more_than_a_parent(&self) -> bool {
        self.due.get().is_some() || !self.links().is_empty()
    }

    pub(super) fn links(&self) -> &[CancellationToken] {
        self.listening.as_ref().map_or(&[], |listening| listening.links())
    }

    /// Was it too late when it began?
    fn is_past(&self) -> bool {
        self.due.get().is_some_and(|due| due.is_past)
    }
}

/// The deadline of a scope that has begun.
#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    by_timeout: bool,
    is_virtual: bool,
    is_past: bool,
}

impl Due {
    /// Is it still to come? Only the wall's clock can be asked, and only if there is to be a glance at it.
    fn is_ahead(self, glance: Option<&Glance>) -> bool {
        !self.is_past && !self.is_virtual && glance.is_none_or(|glance| glance.now() < self.at)
    }
}

impl Origin for Plan {
    /// The deadline counts from now.
    fn begin(&self) {
        if self.timeout.is_some() || self.deadline.is_some() {
            self.due.set(self.due_from(clock::now()));
        }
    }

    fn state<'f>(&'f self, outer: Option<&'f Frame<'_>>) -> StateRef<'f> {
        if self.has_more_than_a_parent() {
            return StateRef::wants_attention();
        }
        match &self.parent {
            Parent::Ambient => outer.map_or(StateRef::never(), Frame::state),
            Parent::Given(parent) => parent.state_ref(),
            Parent::None => StateRef::never(),
        }
    }

    fn is_clear(&self, outer: Option<&Frame<'_>>, glance: Option<&Glance>) -> bool {
        let parent = match &self.parent {
            Parent::Ambient => outer.is_none_or(|outer| outer.is_clear_at(glance)),
            Parent::Given(parent) => parent.is_quiet(),
            Parent::None => true,
        };
        parent && self.links().is_empty() && self.is_ahead(glance)
    }

    fn is_ahead(&self, glance: Option<&Glance>) -> bool {
        self.due.get().is_none_or(|due| due.is_ahead(glance))
    }

    fn is_needed_at_once(&self) -> bool {
        self.listening.as_ref().is_some_and(|listening| listening.has_sources())
    }

    fn is_cancelled(&self, outer: Option<&Frame<'_>>) -> bool {
        let parent = match &self.parent {
            Parent::Ambient => outer.is_some_and(Frame::is_cancelled),
            Parent::Given(parent) => parent.is_cancelled(),
            Parent::None => false,
        };
        parent || self.is_past() || self.links().iter().any(CancellationToken::is_cancelled)
    }

    fn is_below_outer(&self) -> bool {
        matches!(self.parent, Parent::Ambient)
    }

    fn make(&self, outer: Option<&Frame<'_>>, about: &About) -> CancellationToken {
        match self.parent_token(outer) {
            Some(parent) => self.make_below(parent, about),
            None => self.make_below(&CancellationToken::never(), about),
        }
    }

    fn stand_in(&self, outer: Option<&Frame<'_>>) -> Option<CancellationToken> {
        if !self.links().is_empty() {
            return None;
        }
        let parent = self.parent_token(outer).cloned().unwrap_or(CancellationToken::never());
        // Whoever hangs on a token relies on its deadline being watched; one that no thread can watch has to be asked for.
        (!parent.attend()).then_some(parent)
    }

    fn state_below<'f>(&'f self, stand_in: &'f CancellationToken) -> StateRef<'f> {
        if self.has_more_than_a_parent() {
            StateRef::wants_attention()
        } else {
            stand_in.state_ref()
        }
    }

    fn make_below(&self, parent: &CancellationToken, about: &About) -> CancellationToken {
        parent.child_with(ChildOptions {
            name: about.name.clone(),
            deadline: self.token_deadline(),
            links: self.links().to_vec(),
        })
    }

    fn begun(&self, token: &CancellationToken) {
        if let Some(listening) = &self.listening {
            listening.begin(token);
        }
        if self.is_past() {
            token.attend();
        }
    }

    fn deadline(&self) -> Option<(Instant, bool)> {
        self.due.get().map(|due| (due.at, due.is_virtual))
    }
}
