//! `Scope`, the builder: what a scope is told before it begins.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::listening::Listening;
use super::origin::Origin;
use super::source::{Source, Watch};
use crate::clock::{self, Glance, Now};
use crate::context::{About, Frame};
use crate::token::{CancellationToken, ChildOptions, Deadline, StateRef};

/// A stretch of code with a token of its own: a child of the ambient one, with perhaps a deadline, a grace and a name.
///
/// [`run`](Self::run) takes a future, [`run_sync`](Self::run_sync) a closure; `cancel_scope!` is written in terms of
/// these. Inside, the scope's token is the ambient one. Leaving the scope ends it: nothing of the scope stays behind,
/// and whoever still holds its token sees it cancelled. What each way of leaving means:
///
/// | the body | the scope returns | its token is cancelled with |
/// |---|---|---|
/// | returns a value, also one of its own errors | that value | [`ScopeEnded`](crate::ReasonKind::ScopeEnded) |
/// | notices the cancel and returns the error | that error | the reason it had |
/// | swallows the cancel and returns a value | that value | the reason it had |
/// | is pending on something that does not notice | [`Cancelled`](crate::Cancelled) | the reason it had |
/// | is dropped, with the scope, before its end | nothing | [`Dropped`](crate::ReasonKind::Dropped) |
/// | panics | the panic | [`Dropped`](crate::ReasonKind::Dropped) |
///
/// A scope that is entered under a cancelled parent, or with a deadline in the past, does not start its body.
///
/// ```
/// use cancelable::{Cancelled, Scope, sleep};
/// use std::time::Duration;
///
/// # futures::executor::block_on(async {
/// let result: Result<(), Cancelled> = Scope::new()
///     .name("greeting")
///     .timeout(Duration::from_millis(5))
///     .run(async { sleep(Duration::from_secs(3600)).await })
///     .await;
/// let text = result.unwrap_err().to_string();
/// assert!(text.starts_with("cancelled: timed out after 5ms (scope \"greeting\"), requested at "), "{text}");
/// # });
/// ```
#[must_use = "a scope does nothing until it is given something to `run`"]
pub struct Scope {
    parent: Parent,
    timeout: Option<(Duration, &'static Location<'static>)>,
    deadline: Option<(Instant, &'static Location<'static>)>,
    pub(in crate::scope) about: About,
    /// Once it has begun, if it has a deadline.
    due: Cell<Option<Due>>,
    pub(in crate::scope) listening: Option<Box<Listening>>,
}

#[derive(Debug)]
enum Parent {
    Ambient,
    Given(CancellationToken),
    None,
}

impl Scope {
    /// A scope below the ambient one, without a deadline.
    #[track_caller]
    pub fn new() -> Self {
        Self {
            parent: Parent::Ambient,
            timeout: None,
            deadline: None,
            about: About::default(),
            due: Cell::new(None),
            listening: None,
        }
    }

    /// Cancels the scope when it has run this long, counted from its first poll (or from the call of
    /// [`run_sync`](Self::run_sync)), not from here.
    ///
    /// Zero cancels before the body starts. A duration too long for the clock, such as [`Duration::MAX`], is no deadline.
    #[track_caller]
    pub fn timeout(mut self, after: Duration) -> Self {
        self.timeout = Some((after, Location::caller()));
        self
    }

    /// Cancels the scope at this moment; before the body starts if it is past. With a [timeout](Self::timeout) as well,
    /// the earlier of the two counts.
    #[track_caller]
    pub fn deadline(mut self, at: Instant) -> Self {
        self.deadline = Some((at, Location::caller()));
        self
    }

    /// Bounds how long a cancelled body may take to get out: after this long it is dropped where it stands, and the error
    /// says so ([`was_forced`](crate::Cancelled::was_forced)). Without it the scope waits for shields inside as long as
    /// they take. (A second signal ends either, if the scope [listens](crate::Source) for signals.) A sync body cannot be dropped from outside, so [`run_sync`](Self::run_sync) knows no grace.
    pub fn grace(mut self, after: Duration) -> Self {
        self.about.grace = Some(after);
        self
    }

    /// Hangs the scope below this token instead of the ambient one.
    pub fn parent(mut self, parent: &CancellationToken) -> Self {
        self.parent = Parent::Given(parent.clone());
        self
    }

    /// Hangs the scope below nothing: only its own deadline and its own token end it.
    pub fn detached(mut self) -> Self {
        self.parent = Parent::None;
        self
    }

    /// Names the scope, for error messages.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.about.name = Some(name.into());
        self
    }

    /// Cancels the scope with this token too, besides its parent. May be given several times.
    pub fn link(mut self, token: CancellationToken) -> Self {
        self.listening.get_or_insert_default().link(token);
        self
    }

    /// Cancels the scope when this fires too: a future, a token, a [condition](crate::condition()), or a [`Source`] of your
    /// own. May be given several times; whatever comes first, deadline and parent included, is the reason.
    ///
    /// ```
    /// use cancelable::{Cancelled, ReasonKind, Scope, check};
    ///
    /// let (stop, stopped) = futures::channel::oneshot::channel::<()>();
    /// std::thread::spawn(move || stop.send(()));
    /// let outcome: Result<(), Cancelled> = Scope::new().until(stopped).run_sync(|| loop { check()? });
    /// assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
    /// ```
    #[track_caller]
    pub fn until(mut self, source: impl Source) -> Self {
        self.listening.get_or_insert_default().add(Watch::of(source));
        self
    }

    /// The scope begins, if it has not: its deadline counts from now.
    pub(super) fn begin(&self) -> &Self {
        if (self.timeout.is_some() || self.deadline.is_some()) && self.due.get().is_none() {
            self.due.set(self.due_from(clock::now()));
        }
        self
    }

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
        deadline.scope.clone_from(&self.about.name);
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

    fn links(&self) -> &[CancellationToken] {
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

/// Of a scope that has begun.
impl Origin for Scope {
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

    fn make(&self, outer: Option<&Frame<'_>>) -> CancellationToken {
        match self.parent_token(outer) {
            Some(parent) => self.make_below(parent),
            None => self.make_below(&CancellationToken::never()),
        }
    }

    fn stand_in(&self, outer: Option<&Frame<'_>>) -> Option<CancellationToken> {
        if !self.links().is_empty() {
            return None;
        }
        let parent = self.parent_token(outer).cloned().unwrap_or(CancellationToken::never());
        // Whoever hangs on a token relies on its deadline being watched; one that no thread can watch has to be asked for.
        let is_unwatched = !parent.is_quiet() && parent.attend();
        (!is_unwatched).then_some(parent)
    }

    fn state_below<'f>(&'f self, stand_in: &'f CancellationToken) -> StateRef<'f> {
        if self.has_more_than_a_parent() {
            StateRef::wants_attention()
        } else {
            stand_in.state_ref()
        }
    }

    fn make_below(&self, parent: &CancellationToken) -> CancellationToken {
        parent.child_with(ChildOptions {
            name: self.about.name.clone(),
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

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("name", &self.about.name)
            .field("parent", &self.parent)
            .field("timeout", &self.timeout.map(|(after, _)| after))
            .field("deadline", &self.deadline.map(|(at, _)| at))
            .field("grace", &self.about.grace)
            .field("links", &self.links())
            .finish_non_exhaustive()
    }
}

/// As [`Scope::new`].
impl Default for Scope {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}
