//! Stopping one task of an owner.

use std::fmt;
use std::panic::Location;

use super::info::{TaskId, TaskInfo};
use super::roster::Roster;
use super::slots::Key;
use crate::primitive::Arc;
use crate::reason::CancelReason;
use crate::token::CancellationToken;

/// Stops one task of an owner, and keeps nothing of it. Cheap to clone.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # #[cfg(feature = "tokio")] {
/// use cancelable::{TaskError, shield, tokio::TaskOwner};
/// use std::future::pending;
///
/// let tasks = TaskOwner::new();
/// let task = tasks.spawn(shield(pending::<()>()));
/// tokio::task::yield_now().await;                                // it begins
/// task.abort_handle().abort();
/// let Err(TaskError::Failed(cancelled)) = task.await else { unreachable!() };
/// assert!(cancelled.was_forced());
/// # }
/// # });
/// ```
#[derive(Clone)]
pub struct AbortHandle {
    pub(super) roster: Arc<Roster>,
    pub(super) key: Key,
    pub(super) info: TaskInfo,
    pub(super) token: CancellationToken,
}

impl AbortHandle {
    /// Cancels the task: its check points fail, and it unwinds, with its clean-up.
    #[track_caller]
    pub fn cancel(&self) {
        self.token.cancel();
    }

    /// Cancels the task with this reason; `false` if it was cancelled already.
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<CancelReason>) -> bool {
        self.token.cancel_with(reason)
    }

    /// Cancels the task, polls it once more, and drops it where it stands if it is not done by then: also in a shield, as
    /// tokio's `abort` would. Its error then [says so](crate::Cancelled::was_forced).
    ///
    /// A blocking task is cancelled, but cannot be dropped.
    #[track_caller]
    pub fn abort(&self) {
        self.roster.abort(self.key, &self.token, Location::caller());
    }

    /// Has the task ended? Nothing of it is left then.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !self.roster.is_live(self.key)
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.info.id
    }

    /// Which task it is.
    #[must_use]
    pub fn info(&self) -> &TaskInfo {
        &self.info
    }

    /// The task's token: it is the ambient one in the task.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }
}

impl fmt::Debug for AbortHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AbortHandle")
            .field("task", self.info())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
