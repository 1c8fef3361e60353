//! Asking the table.

use std::time::{Duration, Instant};

use super::list::{
    Cancel, EndedScope, History, LiveScope, PassedPoint, Progress, Snapshot, State, Straggler, Stragglers,
};
use crate::cause::Cause;
use crate::live::{self, Ended, Entry, WaitsFor};
use crate::observe::{Record, ThreadNames, Ticks};
use crate::reason::CancelReason;

/// The named scopes that run.
///
/// Reads words, under locks that are held for moments and never while code of the program runs. So it comes back also if all threads of
/// a runtime are stuck. A hundred thousand scopes took 74 milliseconds on a busy machine.
///
/// ```
/// use cancelable::{Cancelled, Scope, registry};
///
/// # fn main() -> Result<(), Cancelled> {
/// Scope::new().name("import").run_sync(|| {
///     let running = registry::snapshot();
///     let import = running.scopes.iter().find(|scope| scope.name == "import").unwrap();
///     assert_eq!(import.state, registry::State::Running);
///     Ok::<_, Cancelled>(())
/// })?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn snapshot() -> Snapshot {
    let now = Now::here();
    let scopes = live::entries().into_iter().map(|entry| tell(&entry, &now)).collect();
    Snapshot { scopes }
}

/// Those of this name.
///
/// ```
/// use cancelable::{CancelReason, Cancelled, Scope, check, registry};
///
/// let stopped: Result<(), Cancelled> = Scope::new().name("report 7").run_sync(|| {
///     for scope in registry::find("report 7").scopes {
///         registry::cancel_with(scope.id, CancelReason::manual().with_message("not needed any more"));
///     }
///     check()
/// });
/// assert_eq!(stopped.unwrap_err().reason().message(), Some("not needed any more"));
/// ```
#[must_use]
pub fn find(name: &str) -> Snapshot {
    let now = Now::here();
    let entries = live::entries().into_iter().filter(|entry| entry.record.name == name);
    let scopes = entries.map(|entry| tell(&entry, &now)).collect();
    Snapshot { scopes }
}

/// Cancels the scope of this number, with a reason of kind [`Manual`](crate::ReasonKind::Manual) at the line of this call. `true`: this
/// call did it; `false`: it is cancelled already, or has ended.
#[track_caller]
pub fn cancel(id: u64) -> bool {
    cancel_with(id, CancelReason::manual())
}

/// The same, for a reason of your own.
///
/// ```
/// use cancelable::registry;
///
/// assert!(!registry::cancel_with(0, "there is no such scope"));
/// ```
///
/// # Panics
///
/// As [`CancellationToken::cancel`](crate::CancellationToken::cancel).
#[track_caller]
pub fn cancel_with(id: u64, reason: impl Into<CancelReason>) -> bool {
    let reason = reason.into();
    live::find(id).is_some_and(|entry| entry.token.cancel(reason))
}

/// The scopes that were cancelled at least this long ago and have not ended, and what they wait for.
///
/// With the feature `tracing` there is also an event of level WARN for each that straggles for five seconds, and with a
/// [hook](super::on_event) a call, without anybody's asking.
///
/// ```
/// use cancelable::{Cancelled, Scope, registry};
/// use std::time::Duration;
///
/// let outcome: Result<(), Cancelled> = Scope::new().name("deaf").run_sync_with(|token| {
///     token.cancel();
///     let stragglers = registry::stragglers(Duration::ZERO);          // this scope goes on all the same
///     println!("{stragglers}");
///     assert_eq!(stragglers.scopes[0].scope.name, "deaf");
///     Ok(())
/// });
/// assert!(outcome.is_ok());
/// ```
/// ```text
/// deaf #1: cancelled 1.2ms ago: cancelled on request (scope "deaf"), requested at src/main.rs:5:11
///   waits for code on thread main, for 1.2ms
/// ```
#[must_use]
pub fn stragglers(after: Duration) -> Stragglers {
    let now = Now::here();
    let cancelled = live::entries()
        .into_iter()
        .filter(|entry| !entry.token.is_clear(now.at));
    let mut scopes: Vec<_> = cancelled
        .filter_map(|entry| {
            let since = entry.token.known(now.at)?.marked_cause()?.elapsed();
            let scope = (since >= after).then(|| tell(&entry, &now))?;
            Some(Straggler { scope, since })
        })
        .collect();
    scopes.sort_by_key(|straggler| std::cmp::Reverse(straggler.since));
    Stragglers { scopes }
}

/// The last scopes that ended, the last one first; 256 at most, or as many as [`set_history_limit`] says.
///
/// ```
/// use cancelable::registry::{self, Outcome};
/// use cancelable::{Cancelled, cancel_scope};
///
/// cancel_scope!(name = "warm up", { Ok::<_, Cancelled>(()) }).unwrap();
/// let last = &registry::history().scopes[0];
/// assert_eq!((&*last.name, last.outcome), ("warm up", Outcome::Finished));
/// ```
#[must_use]
pub fn history() -> History {
    let now = Now::here();
    let scopes = live::history().iter().map(|ended| tell_ended(ended, &now)).collect();
    History { scopes }
}

/// How many scopes that have ended are kept for [`history`]; 0 for none. What is too much is forgotten at once.
///
/// Up to sixteen times as many are in memory, for each of sixteen groups of threads keeps its own.
///
/// ```
/// cancelable::registry::set_history_limit(1_000);
/// ```
pub fn set_history_limit(scopes: usize) {
    live::set_history(scopes);
}

/// One look at the clock, for all that is read.
struct Now {
    at: Instant,
    ticks: Ticks,
    threads: ThreadNames,
}

impl Now {
    fn here() -> Self {
        Self {
            at: Instant::now(),
            ticks: Ticks::exact(),
            threads: ThreadNames::default(),
        }
    }
}

fn tell(Entry { record, token }: &Entry, now: &Now) -> LiveScope {
    let running_on = record.running_on();
    let age = now.at.saturating_duration_since(record.began);
    let cause = if token.is_clear(now.at) {
        None
    } else {
        token.known(now.at).and_then(|token| token.marked_cause())
    };
    let deadline = match &cause {
        // A token forgets its deadline when it is cancelled.
        Some(cause) => cause.deadline(),
        None => token.deadline(),
    };
    LiveScope {
        id: record.id,
        name: record.name.clone().into_owned(),
        parent: record.parent,
        begun_at: record.begun_at,
        state: match (&cause, running_on) {
            (Some(_), _) => State::Cancelled,
            (None, Some(_)) => State::Running,
            (None, None) => State::Waiting,
        },
        age,
        deadline: deadline.map(|at| at.saturating_duration_since(now.at)),
        progress: record.progressed().map(|(done, total)| Progress { done, total }),
        message: record.message().map(|message| message.as_ref().to_owned()),
        thread: now.threads.get(running_on.unwrap_or(record.thread)),
        task: record.task.name(),
        last_point: record.last.get().map(|passed| PassedPoint {
            at: passed.at,
            // Told to ten milliseconds, and perhaps since `now`.
            ago: passed.when.until(now.ticks).min(age),
            thread: now.threads.get(passed.thread),
        }),
        cancel: cause.map(|cause| tell_cancel(record, &cause)),
        waits_for: WaitsFor::of(record, now.ticks),
    }
}

fn tell_cancel(record: &Record, cause: &Cause) -> Cancel {
    let reason = cause.reason();
    Cancel {
        kind: reason.kind(),
        reason: reason.to_string(),
        scope: cause.scope().map(str::to_owned),
        requested_at: reason.location(),
        by: reason.line(),
        ago: cause.elapsed(),
        noticed_at: record.noticed(cause),
    }
}

fn tell_ended(ended: &Ended, now: &Now) -> EndedScope {
    let record = &ended.record;
    EndedScope {
        id: record.id,
        name: record.name.clone().into_owned(),
        parent: record.parent,
        begun_at: record.begun_at,
        outcome: ended.outcome,
        duration: ended.lasted(),
        ago: now.at.saturating_duration_since(ended.at),
        cancel: ended.cause.as_deref().map(|cause| tell_cancel(record, cause)),
    }
}
