//! What observers are told of: subscribers of `tracing`, and hooks.

use std::time::Duration;

#[cfg(feature = "registry")]
use super::hooks::{self, EventKind};
use super::observed::Observed;
use super::record::{Outcome, Record, Subject};
#[cfg(feature = "tracing")]
use super::traced;
use crate::cause::Cause;
use crate::error::Cancelled;
use crate::primitive::Arc;
#[cfg(feature = "tracing")]
use crate::unwind::caught;

/// A scope has begun.
pub(crate) fn began(observed: &Observed) {
    let _ = observed;
    #[cfg(feature = "registry")]
    if let Some(record) = observed.own() {
        hooks::call(EventKind::Began, Some(record), None, record.begun_at);
    }
}

/// A scope has ended, for this reason if it was cancelled.
pub(crate) fn ended(record: &Record, outcome: Outcome, cause: Option<&Cause>) {
    let _ = (record, outcome, cause);
    #[cfg(feature = "registry")]
    if hooks::are_any() {
        let reason = cause.map(Cause::reason);
        hooks::call(EventKind::Ended(outcome), Some(record), reason, record.begun_at);
    }
}

/// Is there a subscriber or a hook? Otherwise nothing is made up that they would be told, a reason above all.
fn is_anybody_there() -> bool {
    #[cfg(feature = "registry")]
    if hooks::are_any() {
        return true;
    }
    #[cfg(feature = "tracing")]
    if traced::is_anybody_there() {
        return true;
    }
    false
}

/// A cancel begins; `subject` says of what scope, which nobody knows any more once it is marked.
pub(crate) fn asked(subject: impl FnOnce() -> Subject) -> Asked {
    Asked(is_anybody_there().then(subject))
}

pub(crate) struct Asked(Option<Subject>);

impl Asked {
    /// All is marked, and nobody has been woken.
    pub(crate) fn tell(self, cause: impl FnOnce() -> Option<Arc<Cause>>) {
        if let Some(Subject(record)) = self.0 {
            if let Some(cause) = cause() {
                tell_asked(record.as_deref(), &cause);
            }
        }
    }
}

#[cold]
fn tell_asked(record: Option<&Record>, cause: &Cause) {
    #[cfg(feature = "tracing")]
    caught(|| traced::asked(record, cause));
    #[cfg(feature = "registry")]
    hooks::call(
        EventKind::Asked,
        record,
        Some(cause.reason()),
        cause.reason().location(),
    );
}

/// A check point has noticed a cancel, and returns this.
#[cold]
pub(crate) fn noticed(cancelled: &Cancelled) {
    let _ = cancelled;
    #[cfg(feature = "tracing")]
    if traced::is_anybody_there() {
        caught(|| traced::noticed(cancelled));
    }
}

/// The same, for the scopes that it was noticed for, the innermost first. `is_own`: the frame has been cancelled by the same.
#[cold]
pub(crate) fn noticed_for(observed: &Observed, cancelled: &Cancelled, is_own: bool) {
    let Some(record) = observed.record() else { return };
    if observed.is_own() && !is_own {
        return;
    }
    record.notice(cancelled, observed.is_own());
    #[cfg(feature = "registry")]
    if hooks::are_any() {
        let (reason, location) = (cancelled.reason(), cancelled.observed_at());
        hooks::call(EventKind::Noticed, Some(record), Some(reason), location);
    }
}

/// The body of this scope is dropped, for its grace has ended.
#[cold]
pub(crate) fn forced(observed: &Observed, cancelled: &Cancelled) {
    let record = observed.own().map(|record| &**record);
    if let Some(record) = record {
        record.is_forced();
    }
    if !is_anybody_there() {
        return;
    }
    #[cfg(feature = "tracing")]
    caught(|| traced::forced(record, cancelled));
    #[cfg(feature = "registry")]
    hooks::call(
        EventKind::Forced,
        record,
        Some(cancelled.reason()),
        cancelled.observed_at(),
    );
    let _ = cancelled;
}

/// A check point drops what it has waited for half-way, a future of this type.
#[cold]
pub(crate) fn dropped(future: fn() -> &'static str, observed: Option<&Observed>, cancelled: &Cancelled) {
    if !is_anybody_there() {
        return;
    }
    let _ = (future, observed, cancelled);
    #[cfg(feature = "tracing")]
    caught(|| traced::dropped(future(), cancelled));
    #[cfg(feature = "registry")]
    hooks::call(
        EventKind::Dropped,
        observed.and_then(Observed::record).map(|record| &**record),
        Some(cancelled.reason()),
        cancelled.observed_at(),
    );
}

/// The code round this scope drops it half-way.
#[cold]
pub(crate) fn left(observed: &Observed) {
    let Some(record) = observed.own() else { return };
    record.is_dropped();
    #[cfg(feature = "tracing")]
    caught(|| traced::left(record));
    #[cfg(feature = "registry")]
    hooks::call(EventKind::Dropped, Some(record), None, record.begun_at);
    let _ = record;
}

/// This scope was cancelled so long ago and has not ended.
pub(crate) fn straggles(record: &Record, cause: &Cause, since: Duration, waits_for: &dyn std::fmt::Display) {
    let _ = (record, cause, since, waits_for);
    #[cfg(feature = "tracing")]
    caught(|| traced::straggles(record, cause, since, waits_for));
    #[cfg(feature = "registry")]
    hooks::call(
        EventKind::Straggles,
        Some(record),
        Some(cause.reason()),
        record.begun_at,
    );
}
