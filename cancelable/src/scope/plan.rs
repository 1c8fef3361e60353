//! `Plan`: where a scope's token comes from, as its options say, and when it ends by itself.
//!
//! A scope keeps it while it runs; its name and grace go to the region that runs.

use std::cell::Cell;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::listening::Listening;
use super::parent::Parent;
use super::token_origin::{Above, TokenOrigin};
use crate::clock::{self, Glance, Now};
use crate::context::{About, Due, Frame, Outlook};
use crate::token::{CancellationToken, ChildOptions, Deadline};

/// What a scope is told, but for what concerns its body.
#[derive(Default)]
pub(in crate::scope) struct Plan {
    pub(super) parent: Parent,
    pub(super) timeout: Option<(Duration, &'static Location<'static>)>,
    pub(super) deadline: Option<(Instant, &'static Location<'static>)>,
    /// Once it has begun, if it has a deadline.
    began: Cell<Option<Began>>,
    pub(super) listening: Option<Box<Listening>>,
}

impl Plan {
    /// The earlier one of timeout and deadline.
    fn began_at(&self, now: Now) -> Option<Began> {
        let timeout = self.timeout.and_then(|(after, _)| now.at.checked_add(after));
        let deadline = self.deadline.map(|(at, _)| at);
        let at = match (timeout, deadline) {
            (Some(timeout), Some(deadline)) => timeout.min(deadline),
            (timeout, deadline) => timeout.or(deadline)?,
        };
        Some(Began {
            at,
            by_timeout: timeout == Some(at),
            is_virtual: now.is_virtual,
            is_past: at <= now.at,
        })
    }

    /// What the token is to know of its deadline, but for its clock.
    fn due(&self) -> Option<Due> {
        let began = self.began.get()?;
        let (after, location) = match (self.timeout, self.deadline) {
            (Some((after, location)), _) if began.by_timeout => (Some(after), location),
            (_, deadline) => (None, deadline?.1),
        };
        Some(Due {
            at: began.at,
            after,
            location,
        })
    }

    fn token_deadline(&self) -> Option<Deadline> {
        let mut deadline = self.due()?.deadline();
        deadline.is_virtual = self.began.get()?.is_virtual;
        Some(deadline)
    }

    /// The tokens that are linked, and those that are sources.
    #[inline]
    pub(super) fn links(&self) -> [&[CancellationToken]; 2] {
        match &self.listening {
            Some(listening) => [listening.links(), listening.until()],
            None => [&[], &[]],
        }
    }

    fn has_links(&self) -> bool {
        self.links().iter().any(|tokens| !tokens.is_empty())
    }

    /// Was it too late when it began?
    fn is_past(&self) -> bool {
        self.began.get().is_some_and(|due| due.is_past)
    }
}

/// The deadline of a scope that has begun.
#[derive(Clone, Copy)]
struct Began {
    at: Instant,
    by_timeout: bool,
    is_virtual: bool,
    is_past: bool,
}

impl TokenOrigin for Plan {
    /// The deadline counts from now.
    fn begin(&self) -> Glance {
        if self.timeout.is_none() && self.deadline.is_none() {
            return Glance::default();
        }
        let now = clock::now();
        self.began.set(self.began_at(now));
        if now.is_virtual {
            Glance::default()
        } else {
            Glance::at(now.at)
        }
    }

    #[inline]
    fn above(&self) -> Above<'_> {
        match &self.parent {
            Parent::Ambient => Above::Outer,
            Parent::Given(parent) => Above::Given(parent),
            Parent::None => Above::Nothing,
        }
    }

    /// Links that nobody heard are looked at by the first check point, and so are deadlines by another clock than the wall's, or
    /// that have passed.
    #[inline]
    fn outlook<'f>(&self, above: Outlook<'f>) -> Option<Outlook<'f>> {
        if self.has_links() {
            return None;
        }
        match self.began.get() {
            None => Some(above),
            Some(due) if due.is_past || due.is_virtual => None,
            Some(due) => Some(above.until(due.at)),
        }
    }

    #[inline]
    fn is_needed_at_once(&self) -> bool {
        self.listening.as_ref().is_some_and(|listening| listening.has_sources())
    }

    #[inline]
    fn is_cancelled(&self, outer: Option<&Frame<'_>>, glance: &Glance) -> bool {
        self.above().is_cancelled(outer, glance)
            || self.is_past()
            || self.links().into_iter().flatten().any(CancellationToken::is_cancelled)
    }

    fn options(&self, about: &About) -> ChildOptions {
        let [links, until] = self.links();
        ChildOptions {
            name: about.name.clone(),
            subject: about.observed.subject(),
            deadline: self.token_deadline(),
            links: links.to_vec(),
            until: until.to_vec(),
        }
    }

    fn begun(&self, token: &CancellationToken) {
        if let Some(listening) = &self.listening {
            listening.begin(token);
        }
        if self.is_past() {
            token.attend();
        }
    }

    fn stand_in(&self, outer: Option<&Frame<'_>>) -> Option<CancellationToken> {
        if self.has_links() {
            None
        } else {
            self.above().stand_in(outer)
        }
    }

    /// What it listens to has to be begun with; and a virtual clock is asked through the token.
    #[inline]
    fn may_be_late(&self) -> bool {
        let may_wait = |due: Began| !due.is_past && !due.is_virtual;
        self.listening.is_none() && self.began.get().is_none_or(may_wait)
    }

    #[inline]
    fn late_due(&self) -> Option<Due> {
        self.due()
    }

    #[inline]
    fn deadline(&self) -> Option<(Instant, bool)> {
        self.began.get().map(|due| (due.at, due.is_virtual))
    }
}
