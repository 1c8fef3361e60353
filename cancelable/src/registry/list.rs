//! What the registry says, as data.

use std::panic::Location;
use std::time::Duration;

use serde::Serialize;

use crate::live::WaitsFor;
use crate::live::ago::{line, perhaps_line, perhaps_seconds, seconds};
use crate::observe::Outcome;
use crate::reason::ReasonKind;

type Line = &'static Location<'static>;

/// The named scopes that run, as they were at one moment, or nearly: each is read by itself. Its `{}` is a tree.
///
/// Made by [`snapshot`](super::snapshot) and [`find`](super::find). As JSON it is a list of scopes.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct Snapshot {
    /// In the order in which they began.
    pub scopes: Vec<LiveScope>,
}

/// A named scope that runs. Durations are seconds in JSON, lines are `file:line:column`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct LiveScope {
    /// Its number, which no other scope of this process has.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The number of the named scope that it began in, which may have ended.
    pub parent: Option<u64>,
    /// The line where it began.
    #[serde(serialize_with = "line")]
    pub begun_at: Line,
    /// What it does.
    pub state: State,
    /// How long ago it began.
    #[serde(serialize_with = "seconds")]
    pub age: Duration,
    /// How long until its deadline, or that of a scope round it; zero if that has passed.
    #[serde(serialize_with = "perhaps_seconds")]
    pub deadline: Option<Duration>,
    /// What [`progress`](crate::progress()) has said last, in this scope and in none inside of it.
    pub progress: Option<Progress>,
    /// What [`progress_message`](crate::progress_message()) has said last, in this scope and in none inside of it.
    pub message: Option<String>,
    /// The thread that runs it now, or on which it was begun.
    pub thread: Option<String>,
    /// The number of the tokio task that it was begun in.
    pub task: Option<String>,
    /// The check point that was passed last.
    pub last_point: Option<PassedPoint>,
    /// Why it is cancelled, if it is.
    pub cancel: Option<Cancel>,
    /// What it waits for.
    pub waits_for: WaitsFor,
}

/// What a scope does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// A thread is in its code.
    Running,
    /// It is suspended in an await.
    Waiting,
    /// It is cancelled, and has not ended.
    Cancelled,
}

/// How far something has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
pub struct Progress {
    /// So much is done.
    pub done: u64,
    /// Of so much, if that is known.
    pub total: Option<u64>,
}

/// A check point that was passed.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct PassedPoint {
    /// Its line.
    #[serde(serialize_with = "line")]
    pub at: Line,
    /// How long ago, to ten milliseconds.
    #[serde(serialize_with = "seconds")]
    pub ago: Duration,
    /// By which thread, if that still runs.
    pub thread: Option<String>,
}

/// Why a scope is cancelled, or was.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Cancel {
    /// The kind of reason.
    pub kind: ReasonKind,
    /// The reason's text.
    pub reason: String,
    /// The scope whose cancel it was, if that has a name.
    pub scope: Option<String>,
    /// The line that asked; where nobody did, that of what was dropped, or listened.
    #[serde(serialize_with = "line")]
    pub requested_at: Line,
    /// What that line did, to be said before it: `requested at`, `listened for at`, `begun at`.
    pub by: &'static str,
    /// How long ago that was.
    #[serde(serialize_with = "seconds")]
    pub ago: Duration,
    /// The line of the first check point in the scope that noticed.
    #[serde(serialize_with = "perhaps_line")]
    pub noticed_at: Option<Line>,
}

/// Scopes that were cancelled and have not ended. Its `{}` has two lines for each.
///
/// Made by [`stragglers`](super::stragglers). As JSON it is a list of scopes.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct Stragglers {
    /// The one that has been cancelled for longest first.
    pub scopes: Vec<Straggler>,
}

/// A scope that was cancelled and has not ended.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Straggler {
    /// The scope.
    #[serde(flatten)]
    pub scope: LiveScope,
    /// How long ago it was cancelled.
    #[serde(serialize_with = "seconds")]
    pub since: Duration,
}

/// The last scopes that ended. Its `{}` has a line for each.
///
/// Made by [`history`](super::history). As JSON it is a list of scopes.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
#[non_exhaustive]
pub struct History {
    /// The last one first.
    pub scopes: Vec<EndedScope>,
}

/// A scope that has ended.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EndedScope {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The number of the named scope that it began in.
    pub parent: Option<u64>,
    /// The line where it began.
    #[serde(serialize_with = "line")]
    pub begun_at: Line,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it ran. Of an async scope that was never pending nor cancelled and took less than ten milliseconds or so, this is zero: for these
    /// the clock is not read a second time.
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// How long ago it ended.
    #[serde(serialize_with = "seconds")]
    pub ago: Duration,
    /// Why it was cancelled, if it was: also of one that has returned a value all the same.
    pub cancel: Option<Cancel>,
}
