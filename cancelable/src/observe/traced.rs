//! Events for subscribers of `tracing`.

use std::fmt::Display;
use std::panic::Location;
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing::{Id, Level, Span};

use super::record::Record;
use crate::cause::Cause;
use crate::error::Cancelled;
use crate::reason::{CancelReason, ReasonKind};
use crate::shown::Shown;

const TARGET: &str = "cancelable";

/// Does some subscriber want events of the most important kind?
pub(super) fn is_anybody_there() -> bool {
    LevelFilter::current() >= Level::WARN
}

/// What was asked for is news or less, what ran out of time a warning. Nothing is an error: that is for the program to say.
fn level_of(kind: ReasonKind) -> Level {
    match kind {
        ReasonKind::Timeout => Level::WARN,
        ReasonKind::Dropped | ReasonKind::ScopeEnded | ReasonKind::Superseded => Level::DEBUG,
        _ => Level::INFO,
    }
}

/// As it is written in JSON, too.
fn name_of(kind: ReasonKind) -> &'static str {
    match kind {
        ReasonKind::Manual => "manual",
        ReasonKind::Timeout => "timeout",
        ReasonKind::Signal => "signal",
        ReasonKind::Condition => "condition",
        ReasonKind::Shutdown => "shutdown",
        ReasonKind::Error => "error",
        ReasonKind::Dropped => "dropped",
        ReasonKind::ScopeEnded => "scope_ended",
        ReasonKind::Superseded => "superseded",
    }
}

/// The span of the scope, or else that of the code.
fn parent(record: Option<&Record>) -> Option<Id> {
    let own = record.and_then(|record| record.span.clone());
    own.or_else(|| Span::current().id())
}

/// A level is part of what describes an event, and so there is an event for each.
macro_rules! event {
    ($level:expr, $parent:expr, $($field:tt)*) => {
        match $level {
            Level::WARN => tracing::event!(target: TARGET, parent: $parent, Level::WARN, $($field)*),
            Level::INFO => tracing::event!(target: TARGET, parent: $parent, Level::INFO, $($field)*),
            _ => tracing::event!(target: TARGET, parent: $parent, Level::DEBUG, $($field)*),
        }
    };
}

/// With what all events have: why, whose cancel it was, and a line.
macro_rules! cancel_event {
    ($message:literal, $level:expr, $record:expr, $reason:expr, $scope:expr, $at:expr $(, $($field:tt)*)?) => {{
        let (reason, scope, at): (&CancelReason, Option<&str>, &Location<'_>) = ($reason, $scope, $at);
        event!(
            $level,
            parent($record),
            cancel.reason = %reason,
            cancel.kind = name_of(reason.kind()),
            cancel.scope = scope.map(|name| tracing::field::display(Shown(name))),
            code.file.path = at.file(),
            code.line.number = at.line(),
            code.column.number = at.column(),
            $($($field)*,)?
            $message
        )
    }};
}

pub(super) fn asked(record: Option<&Record>, cause: &Cause) {
    let reason = cause.reason();
    cancel_event!(
        "asked",
        level_of(reason.kind()),
        record,
        reason,
        cause.scope(),
        reason.location()
    );
}

pub(super) fn noticed(cancelled: &Cancelled) {
    let (level, reason) = (level_of(cancelled.kind()), cancelled.reason());
    cancel_event!(
        "noticed", level, None, reason, cancelled.scope_name(), cancelled.observed_at(),
        code.function.name = cancelled.function(),
        cancel.point = ?cancelled.point(),
        cancel.requested_at = %reason.location(),
        cancel.latency = cancelled.latency().as_secs_f64()
    );
}

/// A grace is a limit, too.
pub(super) fn forced(record: Option<&Record>, cancelled: &Cancelled) {
    let reason = cancelled.reason();
    cancel_event!(
        "forced", Level::WARN, record, reason, cancelled.scope_name(), cancelled.observed_at(),
        cancel.requested_at = %reason.location(),
        cancel.latency = cancelled.latency().as_secs_f64()
    );
}

pub(super) fn dropped(future: &'static str, cancelled: &Cancelled) {
    let reason = cancelled.reason();
    cancel_event!(
        "dropped", Level::DEBUG, None, reason, cancelled.scope_name(), cancelled.observed_at(),
        cancel.future = future,
        cancel.requested_at = %reason.location()
    );
}

pub(super) fn left(record: &Record) {
    event!(
        Level::DEBUG,
        parent(Some(record)),
        cancel.kind = name_of(ReasonKind::Dropped),
        cancel.scope = %Shown(&record.name),
        code.file.path = record.begun_at.file(),
        code.line.number = record.begun_at.line(),
        code.column.number = record.begun_at.column(),
        "dropped"
    );
}

pub(super) fn straggles(record: &Record, cause: &Cause, since: Duration, waits_for: &dyn Display) {
    let reason = cause.reason();
    // It names the scope that does not end, whosever cancel it was.
    cancel_event!(
        "straggler", Level::WARN, Some(record), reason, Some(&*record.name), record.begun_at,
        cancel.requested_at = %reason.location(),
        cancel.latency = since.as_secs_f64(),
        cancel.waits_for = %waits_for
    );
}
