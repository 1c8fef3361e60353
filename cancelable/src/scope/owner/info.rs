//! Which task of an owner it is.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;

/// The number of a task, unique among those of its owner, in order of spawning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(super) u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Which task it is: its number, its name, and the line that spawned it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # #[cfg(feature = "tokio")] {
/// use cancelable::tokio::TaskOwner;
///
/// let tasks = TaskOwner::new();
/// tasks.named("ticker").spawn(std::future::pending::<()>());
/// let task = &tasks.tasks()[0];
/// assert_eq!(task.name(), Some("ticker"));
/// assert!(task.to_string().starts_with("#0 \"ticker\", spawned at "));
/// # }
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskInfo {
    pub(super) id: TaskId,
    pub(super) name: Option<Cow<'static, str>>,
    pub(super) spawned_at: &'static Location<'static>,
}

impl TaskInfo {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.id
    }

    /// The name that it was given, if any.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The line that spawned it.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        if let Some(name) = self.name() {
            write!(f, " {name:?}")?;
        }
        write!(f, ", spawned at {}", self.spawned_at)
    }
}
