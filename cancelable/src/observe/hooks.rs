//! Hooks: closures that are called with what happens to scopes.

use std::fmt;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::record::{Outcome, Record};
use crate::reason::CancelReason;
use crate::unwind::caught;

type Call = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

static HOOKS: RwLock<Vec<(u64, Call)>> = RwLock::new(Vec::new());
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// What a [hook](on_event) is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EventKind {
    /// A named scope begins.
    Began,
    /// A cancel is asked for, of this scope, or, where the event has none, of a token. Nobody has been woken.
    Asked,
    /// A check point has noticed the cancel, inside this scope.
    Noticed,
    /// The scope's body is dropped because its grace has ended.
    Forced,
    /// A check point drops the future that it waited for half-way; or, where the event has no reason, the scope itself is dropped by
    /// the code round it.
    Dropped,
    /// It was cancelled some time ago, and has not ended. Said once of each.
    Straggles,
    /// It has ended.
    Ended(Outcome),
}

/// Something that has happened.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    kind: EventKind,
    scope: Option<&'a Record>,
    reason: Option<&'a CancelReason>,
    location: &'static Location<'static>,
}

impl<'a> Event<'a> {
    /// What has.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        self.kind
    }

    /// The number of the scope that it has happened to or in.
    #[must_use]
    pub fn id(&self) -> Option<u64> {
        self.scope.map(|record| record.id)
    }

    /// And its name.
    #[must_use]
    pub fn name(&self) -> Option<&'a str> {
        self.scope.map(|record| &*record.name)
    }

    /// Why it is cancelled, if it is.
    #[must_use]
    pub fn reason(&self) -> Option<&'a CancelReason> {
        self.reason
    }

    /// The line that asked or noticed; of others, that where the scope began.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

/// Calls `hook` with all that happens to named scopes, until what is returned is dropped.
///
/// It is called on the thread on which it happens, at once: a slow one slows the scopes down. It may call what it likes of this library. A
/// panic in it is reported by the panic hook, and ends there.
///
/// ```
/// use cancelable::registry::{self, EventKind, Outcome};
/// use cancelable::{Cancelled, cancel_scope};
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// static FINISHED: AtomicUsize = AtomicUsize::new(0);
///
/// let counts = registry::on_event(|event| {
///     if event.name() == Some("hourly job") && event.kind() == EventKind::Ended(Outcome::Finished) {
///         FINISHED.fetch_add(1, Ordering::Relaxed);
///     }
/// });
/// cancel_scope!(name = "hourly job", { Ok::<_, Cancelled>(()) }).unwrap();
/// assert_eq!(FINISHED.load(Ordering::Relaxed), 1);
/// drop(counts);                               // no more of it
/// ```
pub fn on_event(hook: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Hook {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let mut hooks = HOOKS.write().unwrap_or_else(PoisonError::into_inner);
    hooks.push((number, Arc::new(hook)));
    COUNT.store(hooks.len(), Ordering::Relaxed);
    Hook(number)
}

/// A hook is called for as long as this lives; made by [`on_event`]. A call that is on its way on another thread is not waited for.
#[must_use = "the hook is gone as soon as this is dropped"]
pub struct Hook(u64);

impl Drop for Hook {
    fn drop(&mut self) {
        let mut hooks = HOOKS.write().unwrap_or_else(PoisonError::into_inner);
        let at = hooks.iter().position(|(number, _)| *number == self.0);
        let gone = at.map(|at| hooks.remove(at));
        COUNT.store(hooks.len(), Ordering::Relaxed);
        drop(hooks);
        // The user's, and so the last thing.
        drop(gone);
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").finish_non_exhaustive()
    }
}

#[inline]
pub(super) fn are_any() -> bool {
    COUNT.load(Ordering::Relaxed) > 0
}

#[inline]
pub(super) fn call(
    kind: EventKind,
    scope: Option<&Record>,
    reason: Option<&CancelReason>,
    location: &'static Location<'static>,
) {
    if are_any() {
        call_all(&Event {
            kind,
            scope,
            reason,
            location,
        });
    }
}

#[cold]
fn call_all(event: &Event<'_>) {
    let hooks: Vec<Call> = {
        let hooks = HOOKS.read().unwrap_or_else(PoisonError::into_inner);
        hooks.iter().map(|(_, call)| Arc::clone(call)).collect()
    };
    for hook in hooks {
        caught(move || hook(event));
    }
}
