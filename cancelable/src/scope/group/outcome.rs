//! How a task can fail: with an error of its own, or by a panic.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};

use crate::error::Cancelled;
use crate::reason::CancelReason;
use crate::shown::Shown;

/// Why a task of a group has no value.
///
/// ```
/// use cancelable::{Cancelled, TaskError, thread::TaskGroup};
///
/// let mut group = TaskGroup::<(), Cancelled>::new();
/// group.spawn(|| panic!("out of cheese"));
/// match group.join().unwrap_err() {
///     TaskError::Panicked(panic) => assert_eq!(panic.message(), Some("out of cheese")),
///     error => panic!("{error}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
pub enum TaskError<E> {
    /// It returned this error, or was cancelled, and `E` says so. A task whose runtime went away under it was cancelled
    /// with kind [`Dropped`](crate::ReasonKind::Dropped).
    #[error(transparent)]
    Failed(E),
    /// It panicked.
    #[error(transparent)]
    Panicked(TaskPanic),
}

impl<E> TaskError<E> {
    /// Did the task panic?
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(self, Self::Panicked(_))
    }

    /// The task's own error; a panic goes on here.
    ///
    /// ```
    /// # use cancelable::{Cancelled, TaskError, thread::TaskGroup};
    /// fn total() -> Result<u32, Cancelled> {
    ///     let mut group = TaskGroup::new();
    ///     for n in 1..=3 {
    ///         group.spawn(move || Ok(n));
    ///     }
    ///     Ok(group.join().map_err(TaskError::or_resume)?.iter().sum())
    /// }
    /// assert_eq!(total().unwrap(), 6);
    /// ```
    ///
    /// # Panics
    ///
    /// With the task's panic, if it panicked.
    pub fn or_resume(self) -> E {
        match self {
            Self::Failed(error) => error,
            Self::Panicked(panic) => panic.resume(),
        }
    }
}

impl<E: 'static> TaskError<E> {
    /// What the other tasks are cancelled with when that of `spawned_at` fails with this.
    pub(super) fn superseding(&self, spawned_at: &'static Location<'static>) -> CancelReason {
        let (failure, error) = match self {
            Self::Failed(error) => ("a task of the group failed", shared(error)),
            Self::Panicked(panic) => ("a task of the group panicked", panic.message().map(Box::from)),
        };
        CancelReason::superseded(failure, error, spawned_at)
    }
}

/// `error`, or its text, for others to keep. The error itself goes to the owner, and nothing is known of its type; only what
/// `E: From<Cancelled>` is true of without the user's doing can be recognised.
fn shared(error: &dyn Any) -> Option<Box<dyn Error + Send + Sync>> {
    if let Some(cancelled) = error.downcast_ref::<Cancelled>() {
        return Some(Box::from(cancelled.clone()));
    }
    let text: &dyn fmt::Display = if let Some(error) = error.downcast_ref::<io::Error>() {
        error
    } else {
        error.downcast_ref::<Box<dyn Error + Send + Sync>>()?
    };
    // The user's. If it panicked past here, the group would wait for this task for ever.
    let text = catch_unwind(AssertUnwindSafe(|| text.to_string()));
    text.ok().map(Box::from)
}

/// A function that waits for tasks may be cancelled meanwhile: `Failed`.
impl<E: From<Cancelled>> From<Cancelled> for TaskError<E> {
    fn from(cancelled: Cancelled) -> Self {
        Self::Failed(E::from(cancelled))
    }
}

/// The panic of a task: its payload, and the line that spawned the task.
pub struct TaskPanic {
    // In a box, so that the results of all the tasks that do not panic are small.
    inner: Box<Inner>,
}

struct Inner {
    // In a lock because payloads are not `Sync`, and errors had better be.
    payload: Mutex<Box<dyn Any + Send>>,
    message: Option<Box<str>>,
    spawned_at: &'static Location<'static>,
}

impl TaskPanic {
    pub(in crate::scope) fn new(payload: Box<dyn Any + Send>, spawned_at: &'static Location<'static>) -> Self {
        let message = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .map(Box::from);
        let payload = Mutex::new(payload);
        Self {
            inner: Box::new(Inner {
                payload,
                message,
                spawned_at,
            }),
        }
    }

    /// What it panicked with, if that was a text.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.inner.message.as_deref()
    }

    /// The line that spawned the task. (The line that panicked is known to the panic hook only.)
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.inner.spawned_at
    }

    /// What it panicked with.
    #[must_use]
    pub fn into_payload(self) -> Box<dyn Any + Send> {
        self.inner.payload.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Panics with the task's panic.
    ///
    /// # Panics
    ///
    /// Always.
    pub fn resume(self) -> ! {
        resume_unwind(self.into_payload())
    }
}

impl fmt::Display for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the task spawned at {} panicked", self.spawned_at())?;
        match self.message() {
            Some(message) => write!(f, ": {}", Shown(message)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TaskPanic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskPanic")
            .field("message", &self.message())
            .field("spawned_at", &format_args!("{}", self.spawned_at()))
            .finish_non_exhaustive()
    }
}

impl Error for TaskPanic {}
