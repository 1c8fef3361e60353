//! How far something has got, at a moment.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::shown::Shown;

/// Where a scope stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProgressState {
    /// It has not begun.
    #[default]
    Waiting,
    /// It runs.
    Running,
    /// It returned a value.
    Finished,
    /// It was cancelled, or dropped before it finished. (One that swallowed its cancel and returned a value has finished.)
    Stopped,
    /// It returned an error of its own, or panicked.
    Failed,
}

impl ProgressState {
    /// Is it over, in whichever way?
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Stopped | Self::Failed)
    }
}

/// How far a scope has got, at the moment when it was asked.
///
/// Its text is one line, for a log or a terminal:
///
/// ```text
/// 3 of 10 (30%), 14s left: shard 4
/// finished in 20s
/// cancelled at 3 of 10 (30%)
/// ```
///
/// ```
/// use cancelable::{Progress, Scope, progress, progress_message};
///
/// let copy = Progress::new();
/// let outcome: Option<()> = Scope::new().progress(&copy).run_sync(|| {
///     progress(3, 10);
///     progress_message("shard 4");
///     println!("{}", copy.get());
///     None
/// });
/// assert_eq!(copy.get().to_string(), "failed at 3 of 10 (30%): shard 4");
/// ```
#[derive(Clone, Debug)]
pub struct ProgressInfo {
    pub(super) state: ProgressState,
    /// Has anything been said?
    pub(super) is_told: bool,
    pub(super) done: u64,
    pub(super) total: Option<u64>,
    pub(super) fraction: Option<f64>,
    pub(super) is_rolled_up: bool,
    pub(super) message: Option<Arc<str>>,
    pub(super) rate: Option<f64>,
    pub(super) eta: Option<Duration>,
    pub(super) elapsed: Duration,
}

impl ProgressInfo {
    /// Does it run, or how did it end?
    #[must_use]
    pub fn state(&self) -> ProgressState {
        self.state
    }

    /// How much is done, of whatever it is counted in; with what has been done of it in the scopes below, rounded down.
    #[must_use]
    pub fn done(&self) -> u64 {
        self.done
    }

    /// How much there is, if that is known: what [`progress`](crate::progress()) has said, or, where it has not been called, the weights of the
    /// scopes below that have begun so far.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.total
    }

    /// The part that is done, from 0 to 1, if the total is known. It is 1 when the scope has finished, and for a total of 0.
    #[must_use]
    pub fn fraction(&self) -> Option<f64> {
        self.fraction
    }

    /// Is some of it done by scopes below, so that [`fraction`](Self::fraction) is finer than [`done`](Self::done)?
    #[must_use]
    pub fn is_rolled_up(&self) -> bool {
        self.is_rolled_up
    }

    /// What [`progress_message`](crate::progress_message()) has said last, in this scope or below.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// How much is done in a second, of late: an average in which fifteen seconds ago counts a tenth. It is never negative. `None`
    /// before anything is done, and when the scope is over.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        self.rate
    }

    /// How long it will take at that [rate](Self::rate). `None` if there is none, if nothing moves any more, or if the total is not known.
    #[must_use]
    pub fn eta(&self) -> Option<Duration> {
        self.eta
    }

    /// How long the scope has run, or ran, by the clock that is in force in it.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }
}

impl fmt::Display for ProgressInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state {
            ProgressState::Waiting => return f.write_str("not begun"),
            ProgressState::Finished => return write!(f, "finished in {}", Rough(self.elapsed)),
            ProgressState::Stopped => f.write_str("cancelled")?,
            ProgressState::Failed => f.write_str("failed")?,
            ProgressState::Running if !self.is_told => f.write_str("running")?,
            ProgressState::Running => {}
        }
        if self.is_told {
            f.write_str(if self.state.is_over() { " at " } else { "" })?;
            match (self.total, self.fraction) {
                (Some(total), Some(fraction)) => {
                    write!(f, "{} of {total} ({}%)", self.done, (fraction * 100.0).floor())?;
                }
                _ => write!(f, "{}", self.done)?,
            }
        }
        if let Some(eta) = self.eta {
            write!(f, ", {} left", Rough(eta))?;
        }
        match &self.message {
            Some(message) => write!(f, ": {}", Shown(message)),
            None => Ok(()),
        }
    }
}

/// A duration, to the second, rounded up.
struct Rough(Duration);

impl fmt::Display for Rough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs().saturating_add(u64::from(self.0.subsec_nanos() > 0));
        match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
            (0, 0, seconds) => write!(f, "{seconds}s"),
            (0, minutes, seconds) => write!(f, "{minutes}m{seconds:02}s"),
            (hours, minutes, _) => write!(f, "{hours}h{minutes:02}m"),
        }
    }
}
