//! How a drain went.

use std::fmt;

use super::info::TaskInfo;
use crate::scope::group::TaskPanic;

/// So many tasks are named in one line of text.
const NAMED: usize = 8;

/// What became of the tasks of a [`TaskOwner`](crate::TaskOwner) that was [drained](crate::TaskOwner::drain): of those that ran
/// when the drain began, and of those that a second drain found.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # #[cfg(feature = "tokio")] {
/// use cancelable::{shield, tokio::TaskOwner};
/// use std::{future::pending, time::Duration};
///
/// let tasks = TaskOwner::new();
/// tasks.spawn(pending::<()>());
/// tasks.named("stuck").spawn(shield(pending::<()>()));
/// tokio::task::yield_now().await;                                // they begin
/// let report = tasks.cancel_and_wait(Duration::from_millis(100)).await;
/// assert!(!report.is_clean());
/// assert_eq!(report.ended().len(), 1);
/// assert_eq!(report.forced()[0].name(), Some("stuck"));
/// assert!(report.running().is_empty());
/// assert!(report.to_string().starts_with("1 task ended, 1 was dropped after the grace (#1 \"stuck\", spawned at "));
/// # }
/// # });
/// ```
#[derive(Debug)]
#[must_use = "it says which tasks still run, and which have panicked"]
#[non_exhaustive]
pub struct DrainReport {
    pub(super) ended: Vec<TaskInfo>,
    pub(super) forced: Vec<TaskInfo>,
    pub(super) running: Vec<TaskInfo>,
    pub(super) panics: Vec<TaskPanic>,
    pub(super) panicked: u64,
}

impl DrainReport {
    /// Who ended by themselves: with a value, an error, a panic, or at a cancel in good time. So did those that waited for a place (a
    /// [limit](crate::TaskOwner::builder)) and had not begun when they were cancelled, which now never begin: what they had to do
    /// is not done. Their handles say so, with a [point](crate::Cancelled::point) of `Scope`.
    #[must_use]
    pub fn ended(&self) -> &[TaskInfo] {
        &self.ended
    }

    /// Who was dropped where they stood, as their grace was over.
    #[must_use]
    pub fn forced(&self) -> &[TaskInfo] {
        &self.forced
    }

    /// Who still runs: blocking tasks without check points, and tasks that do not come back from a poll.
    #[must_use]
    pub fn running(&self) -> &[TaskInfo] {
        &self.running
    }

    /// The panics that nobody has been given so far, at most 16: of tasks whose handles were dropped. Since the owner was
    /// made, not since the drain began; the next report does not have them again.
    #[must_use]
    pub fn panics(&self) -> &[TaskPanic] {
        &self.panics
    }

    /// How many tasks have panicked since the owner was made.
    #[must_use]
    pub fn panicked(&self) -> u64 {
        self.panicked
    }

    /// Did all tasks end by themselves, and none ever panic? (That includes those that never [began](Self::ended).)
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.forced.is_empty() && self.running.is_empty() && self.panicked == 0
    }

    /// Has the first of the [panics](Self::panics) go on here, if there is one.
    ///
    /// # Panics
    ///
    /// With that panic.
    pub fn resume_panic(mut self) -> Self {
        if !self.panics.is_empty() {
            self.panics.swap_remove(0).resume();
        }
        self
    }
}

impl fmt::Display for DrainReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ended = self.ended.len();
        write!(f, "{ended} {} ended", if ended == 1 { "task" } else { "tasks" })?;
        let parts = [
            (&self.forced, "was", "were", " dropped after the grace"),
            (&self.running, "still runs", "still run", ""),
        ];
        for (tasks, one, many, what) in parts {
            if tasks.is_empty() {
                continue;
            }
            write!(
                f,
                ", {} {}{what} (",
                tasks.len(),
                if tasks.len() == 1 { one } else { many }
            )?;
            for (i, task) in tasks.iter().take(NAMED).enumerate() {
                write!(f, "{}{task}", if i == 0 { "" } else { "; " })?;
            }
            if let more @ 1.. = tasks.len().saturating_sub(NAMED) {
                write!(f, "; and {more} more")?;
            }
            f.write_str(")")?;
        }
        match self.panicked {
            0 => Ok(()),
            n => write!(f, ", {n} panicked"),
        }
    }
}
