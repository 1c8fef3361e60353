//! `CancellationToken`: the thin handle that users hold.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};

use super::deadline::Deadline;
use super::notify::cancel;
use super::state::{Snapshot, State};
use super::tree::{Extras, Handle, Listens};
use super::watch::{attend, is_blind};
use crate::cause::Cause;
use crate::error::Cancelled;
use crate::observe::Subject;
use crate::primitive::Arc;
use crate::reason::{CancelReason, ReasonKind};
use crate::shown::Shown;

/// A handle on a node of the cancellation tree: ask it, wait for it, hang children on it, cancel it.
///
/// Clones are handles on the same node; [`child_token`](Self::child_token) makes a node below it. Cancelling a token
/// cancels everything below it and nothing above or beside it. All methods may be called from any thread, with or
/// without a runtime.
///
/// The names and their behaviour are a superset of `tokio_util::sync::CancellationToken`, whose design this type
/// follows: a program moves over by changing its `use` line.
///
/// ```
/// use cancelable::CancellationToken;
///
/// let token = CancellationToken::new();
/// let child = token.child_token();
/// let worker = std::thread::spawn(move || {
///     let mut turns = 0_u64;
///     while child.check().is_ok() {
///         turns += 1;
///     }
///     turns
/// });
/// token.cancel();
/// worker.join().unwrap();
/// ```
#[derive(Clone)]
pub struct CancellationToken {
    pub(super) node: Handle,
}

impl UnwindSafe for CancellationToken {}
impl RefUnwindSafe for CancellationToken {}

impl CancellationToken {
    /// A token that has no parent.
    #[must_use]
    pub fn new() -> Self {
        Self {
            node: Handle::root(None),
        }
    }

    crate::primitive::const_fn! {
        /// The token that is never cancelled. Allocates nothing; every `never()` is the same token.
        ///
        /// [`cancel`](Self::cancel) and [`cancel_after`](Self::cancel_after) do nothing, callbacks never run, waiting
        /// waits for ever, and a [child](Self::child_token) is a fresh root.
        ///
        /// ```
        /// use cancelable::CancellationToken;
        ///
        /// static QUIET: CancellationToken = CancellationToken::never();
        /// QUIET.cancel();
        /// assert!(!QUIET.is_cancelled());
        /// ```
        #[must_use]
        pub fn never() -> Self {
            Self {
                node: Handle::never(),
            }
        }
    }

    /// A token that is cancelled with this one, and can be cancelled alone.
    ///
    /// If this token is cancelled already, so is the child, with the same reason. A child that is dropped leaves its
    /// parent at once and costs it nothing from then on.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    ///
    /// let parent = CancellationToken::new();
    /// let child = parent.child_token();
    /// child.cancel();
    /// assert!(!parent.is_cancelled());
    /// ```
    #[must_use]
    pub fn child_token(&self) -> Self {
        self.child_with(ChildOptions::default())
    }

    /// A child with a name, a deadline that nobody watches yet, and more tokens to listen to.
    pub(crate) fn child_with(&self, options: ChildOptions) -> Self {
        // A child does not see its parent's wish for attention, so somebody has to watch the parent's deadline from now on.
        let state = self.node.state();
        let unwatched = !state.is_quiet() && attend(&self.node);
        let mut attention = unwatched || options.deadline.is_some();
        let owner = if options.until.is_empty() {
            None
        } else {
            options.name.clone()
        };
        let extras = (options.name.is_some() || options.deadline.is_some())
            .then(|| Box::new(Extras::new(options.name, options.deadline, options.subject)));
        let child = Self {
            node: self.node.child(extras),
        };
        let mut nodes = |tokens: &[Self]| -> Vec<Handle> {
            // Whoever hangs on a token relies on its deadline being watched.
            attention |= tokens.iter().any(|token| is_blind(&token.node));
            tokens.iter().map(|token| token.node.clone()).collect()
        };
        child.node.listen_to(nodes(&options.links), Listens::AsOneBelow);
        child.node.listen_to(nodes(&options.until), Listens::AsOwner(owner));
        if attention {
            child.node.set_attention(true);
        }
        child
    }

    /// Cancels this token and all its descendants, with a reason of kind [`Manual`](crate::ReasonKind::Manual). Tokens made by
    /// [`any`](Self::any) of one of them are cancelled as well, and so are those made by [`all`](Self::all) if this was the last.
    ///
    /// When it returns, all of them read as cancelled, and every task, thread and callback that had registered has been
    /// notified; callbacks ran on this thread. If the token was cancelled already, nothing happens; all of them read as
    /// cancelled then, too, but another thread may still be notifying.
    ///
    /// # Panics
    ///
    /// Resumes the first panic of a callback or a waker, after all the others have run. On a thread that is unwinding
    /// from another panic it is not resumed, for that would abort the process.
    #[track_caller]
    pub fn cancel(&self) {
        if !self.node.state().is_cancelled() && !self.node.is_never() {
            self.cancel_plainly(ReasonKind::Manual, Location::caller());
        }
    }

    /// Cancels as [`cancel`](Self::cancel) does, for a reason of your own. `true`: this call did it; `false`: it was
    /// cancelled already, and its first reason stands.
    ///
    /// ```
    /// use cancelable::{CancelReason, CancellationToken};
    ///
    /// let token = CancellationToken::new();
    /// assert!(token.cancel_with(CancelReason::shutdown()));
    /// assert!(!token.cancel_with("too late"));
    /// assert_eq!(token.reason().unwrap().to_string(), "shutting down");
    /// ```
    ///
    /// # Panics
    ///
    /// As [`cancel`](Self::cancel).
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<CancelReason>) -> bool {
        cancel(&self.node, Arc::new(Cause::new(reason.into())))
    }

    /// Cancels for a reason of a kind that knows no more than its line.
    pub(crate) fn cancel_plainly(&self, kind: ReasonKind, location: &'static Location<'static>) -> bool {
        cancel(&self.node, Arc::new(Cause::plain(kind, location)))
    }

    /// Is it cancelled? One atomic load; any number of threads may ask as often as they like.
    #[inline]
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        let state = self.node.state();
        if state.is_quiet() {
            return false;
        }
        self.is_cancelled_slow()
    }

    /// Neither cancelled nor in want of a closer look: the fast path of every check point.
    #[inline(always)]
    pub(crate) fn is_quiet(&self) -> bool {
        self.node.state().is_quiet()
    }

    /// Has it been cancelled, as far as has been noticed? Unlike [`is_cancelled`](Self::is_cancelled) this does not look
    /// whether a deadline that nobody watches yet has passed.
    #[inline(always)]
    pub(crate) fn is_marked(&self) -> bool {
        self.node.state().is_cancelled()
    }

    /// The same, once nobody is half way through marking it: for who has noticed the cancel below. Takes a lock.
    pub(crate) fn is_settled_as_marked(&self) -> bool {
        self.node.settled_state().is_cancelled()
    }

    /// The word that [`is_quiet`](Self::is_quiet) looks at.
    #[inline(always)]
    pub(crate) fn state_ref(&self) -> StateRef<'_> {
        StateRef(self.node.state_word())
    }

    /// Nobody else holds this token, hangs on it or waits for it.
    pub(crate) fn is_unshared(&self) -> bool {
        self.node.is_unshared()
    }

    /// Sees to it that every deadline of this token and its ancestors is watched, and cancels those that have passed.
    /// `true` if some go by a clock that no timer thread can watch, so that check points must go on looking.
    pub(crate) fn attend(&self) -> bool {
        attend(&self.node)
    }

    /// Cancelled, or with a deadline that has to be looked at first.
    #[cold]
    fn is_cancelled_slow(&self) -> bool {
        self.attend();
        self.node.state().is_cancelled()
    }

    /// Why it was cancelled; `None` while it is not. Once [`is_cancelled`](Self::is_cancelled) has said `true` on any
    /// thread, this is `Some` on every thread that knows of it.
    #[must_use]
    pub fn reason(&self) -> Option<CancelReason> {
        self.cause().map(|cause| cause.reason().clone())
    }

    /// The same, as far as has been noticed: it does not look whether a deadline has passed, for that has it watched. For the
    /// crates in `integrations/`.
    #[doc(hidden)]
    #[must_use]
    pub fn noticed_reason(&self) -> Option<CancelReason> {
        self.marked_cause().map(|cause| cause.reason().clone())
    }

    /// Was it cancelled because an ancestor, or a token it is linked to, was?
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        self.node.state().is_inherited()
    }

    /// The cause, as far as has been noticed.
    pub(crate) fn marked_cause(&self) -> Option<Arc<Cause>> {
        self.node.cause()
    }

    pub(crate) fn cause(&self) -> Option<Arc<Cause>> {
        self.attend();
        self.node.cause()
    }
}

/// What a scope wants of its token.
#[derive(Default)]
pub(crate) struct ChildOptions {
    pub(crate) name: Option<Cow<'static, str>>,
    /// The scope, for who observes.
    pub(crate) subject: Subject,
    pub(crate) deadline: Option<Deadline>,
    /// It is as if below these.
    pub(crate) links: Vec<CancellationToken>,
    /// A cancel of one of these is its own.
    pub(crate) until: Vec<CancellationToken>,
}

/// A token's state without the token: one load less for those who ask often.
#[derive(Clone, Copy)]
pub(crate) struct StateRef<'a>(&'a State);

impl StateRef<'_> {
    #[inline(always)]
    pub(crate) fn is_quiet(self) -> bool {
        self.0.load().is_quiet()
    }

    pub(super) fn snapshot(self) -> Snapshot {
        self.0.load()
    }

    /// The state of what is never cancelled.
    pub(crate) fn never() -> StateRef<'static> {
        StateRef(Handle::never_state())
    }

    /// A state that says "look closer" for ever: it speaks for a token with a deadline that has not been made yet.
    pub(crate) fn wants_attention() -> StateRef<'static> {
        StateRef(&WANTS_ATTENTION)
    }
}

crate::primitive::global! {
    static WANTS_ATTENTION: State = State::new(Snapshot::never().with_attention(true));
}

impl Cancelled {
    /// Did this very token's own cancel cause it, rather than that of an ancestor or of a token it is linked to?
    ///
    /// It goes by identity: of two nested scopes whose deadlines pass at the same moment, only the one whose deadline
    /// ended the code claims the error.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    ///
    /// let parent = CancellationToken::new();
    /// let child = parent.child_token();
    /// parent.cancel();
    /// let error = child.check().unwrap_err();
    /// assert!(error.belongs_to(&parent));
    /// assert!(!error.belongs_to(&child));
    /// ```
    #[must_use]
    pub fn belongs_to(&self, token: &CancellationToken) -> bool {
        // Of one who noticed this below, or through a link, the token itself may not be marked yet.
        let state = token.node.settled_state();
        state.is_cancelled()
            && !state.is_inherited()
            && token
                .node
                .cause()
                .is_some_and(|cause| cause.is_same_event(self.cause()))
    }
}

/// A fresh root, as [`CancellationToken::new`].
impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

/// Two handles are equal if they are on the same node.
impl PartialEq for CancellationToken {
    fn eq(&self, other: &Self) -> bool {
        self.node.address() == other.node.address()
    }
}

impl Eq for CancellationToken {}

impl Hash for CancellationToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.node.address().hash(state);
    }
}

/// Name, state, reason and number of children; not the internals.
impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.node.is_never() {
            return f.write_str("CancellationToken(never)");
        }
        let name = self.node.name();
        let reason = self.node.cause().map(|cause| cause.reason().clone());
        let mut f = f.debug_struct("CancellationToken");
        if let Some(name) = name {
            f.field("name", &Shown(name));
        }
        f.field("is_cancelled", &reason.is_some());
        match reason {
            Some(reason) => f.field("reason", &format_args!("{reason}")),
            None => f.field("children", &self.node.child_count()),
        };
        f.finish()
    }
}
