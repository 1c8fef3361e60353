//! `Scope`, the builder: what a scope is told before it begins.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::origin::Origin;
use super::source::{Source, Start, start};
use crate::clock::{self, Now};
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
    links: Vec<CancellationToken>,
    /// Taken by the token.
    sources: Cell<Vec<Start>>,
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
            links: Vec::new(),
            sources: Cell::default(),
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
    /// they take. A sync body cannot be dropped from outside, so [`run_sync`](Self::run_sync) knows no grace.
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
        self.links.push(token);
        self
    }

    /// Cancels the scope when this fires too: a future, a token, or a [`Source`] of your own. May be given several times.
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
        match source.into_token() {
            Ok(token) => self.links.push(token),
            Err(source) => self.sources.get_mut().push(start(source)),
        }
        self
    }

    /// The scope begins: its deadline counts from now.
    pub(super) fn begin(&self) -> Beginning<'_> {
        let mut is_past = false;
        let deadline = (self.timeout.is_some() || self.deadline.is_some()).then(|| {
            let now = clock::now();
            let deadline = self.effective_deadline(now);
            is_past = deadline.as_ref().is_some_and(|deadline| deadline.at <= now.at);
            deadline
        });
        Beginning {
            scope: self,
            deadline: Cell::new(deadline.flatten()),
            is_past,
        }
    }

    /// The earlier one of timeout and deadline.
    fn effective_deadline(&self, now: Now) -> Option<Deadline> {
        let timeout = self.timeout.and_then(|(after, location)| {
            let at = now.at.checked_add(after)?;
            Some(Deadline::new(at, Some(after), location))
        });
        let deadline = self.deadline.map(|(at, location)| Deadline::new(at, None, location));
        let mut deadline = match (timeout, deadline) {
            (Some(timeout), Some(deadline)) if deadline.at < timeout.at => deadline,
            (Some(timeout), _) => timeout,
            (None, deadline) => deadline?,
        };
        deadline.is_virtual = now.is_virtual;
        Some(deadline)
    }
}

/// A scope that has begun and has no token yet.
pub(super) struct Beginning<'a> {
    scope: &'a Scope,
    /// Taken by the token.
    deadline: Cell<Option<Deadline>>,
    is_past: bool,
}

impl Beginning<'_> {
    fn has_deadline(&self) -> bool {
        let deadline = self.deadline.take();
        let has_deadline = deadline.is_some();
        self.deadline.set(deadline);
        has_deadline
    }
}

impl Origin for Beginning<'_> {
    fn state<'f>(&'f self, outer: Option<&'f Frame<'_>>) -> StateRef<'f> {
        // Deadlines that nobody watches and links that nobody heard are looked at by the first check point.
        if self.has_deadline() || !self.scope.links.is_empty() {
            return StateRef::wants_attention();
        }
        match &self.scope.parent {
            Parent::Ambient => outer.map_or(StateRef::never(), Frame::state),
            Parent::Given(parent) => parent.state_ref(),
            Parent::None => StateRef::never(),
        }
    }

    fn is_needed_at_once(&self) -> bool {
        // Sources are watched on behalf of a token; somebody else cancels it.
        let sources = self.scope.sources.take();
        let is_needed = !sources.is_empty();
        self.scope.sources.set(sources);
        is_needed
    }

    fn is_cancelled(&self, outer: Option<&Frame<'_>>) -> bool {
        let parent = match &self.scope.parent {
            Parent::Ambient => outer.is_some_and(Frame::is_cancelled),
            Parent::Given(parent) => parent.is_cancelled(),
            Parent::None => false,
        };
        parent || self.is_past || self.scope.links.iter().any(CancellationToken::is_cancelled)
    }

    fn make(&self, outer: Option<&Frame<'_>>) -> CancellationToken {
        let mut deadline = self.deadline.take();
        if let Some(deadline) = &mut deadline {
            deadline.scope.clone_from(&self.scope.about.name);
        }
        let options = ChildOptions {
            name: self.scope.about.name.clone(),
            deadline,
            links: self.scope.links.clone(),
        };
        let token = match &self.scope.parent {
            Parent::Ambient => match outer {
                Some(outer) => outer.token().child_with(options),
                None => CancellationToken::never().child_with(options),
            },
            Parent::Given(parent) => parent.child_with(options),
            Parent::None => CancellationToken::never().child_with(options),
        };
        for start in self.scope.sources.take() {
            let watch = start(&token);
            token.keep(watch);
        }
        if self.is_past {
            token.attend();
        }
        token
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
            .field("links", &self.links)
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
