//! One task of an owner, as others see it: what it is called, and how to stop it.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::task::{Context, Waker};

use crate::primitive::{Arc, AtomicBool, Mutex, Ordering, lock};
use crate::reason::{CancelReason, ReasonKind};
use crate::token::CancellationToken;

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
/// assert!(task.to_string().starts_with("#0 \"ticker\", spawned at src/"));
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

pub(super) struct Entry {
    pub(super) info: TaskInfo,
    /// The task's own.
    pub(super) token: CancellationToken,
    /// It runs on a thread, from which nothing can drop it.
    pub(super) is_blocking: bool,
    /// It has ended.
    is_over: AtomicBool,
    /// It is to go at its next poll, shielded or not.
    is_forced: AtomicBool,
    /// Of a task that is cancelled and pending; its token's waiters have been told.
    waker: Mutex<Option<Waker>>,
}

impl Entry {
    pub(super) fn new(info: TaskInfo, token: CancellationToken, is_blocking: bool) -> Arc<Self> {
        Arc::new(Self {
            info,
            token,
            is_blocking,
            is_over: AtomicBool::new(false),
            is_forced: AtomicBool::new(false),
            waker: Mutex::new(None),
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        let waker = lock(&self.waker).take();
        drop(waker);
    }

    pub(super) fn is_forced(&self) -> bool {
        self.is_forced.load(Ordering::Acquire)
    }

    /// Cancels it, and has it dropped at its next poll, which is soon.
    pub(super) fn force(&self, kind: ReasonKind, location: &'static Location<'static>) {
        // Before the cancel, so that the poll which that causes sees it.
        self.is_forced.store(true, Ordering::Release);
        if !self.token.is_cancelled() {
            self.token.cancel_plainly(kind, location);
        }
        let waker = lock(&self.waker).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The task has been polled and is pending: whoever forces it can wake it. Its token does so before the cancel.
    pub(super) fn pending(&self, cx: &Context<'_>) {
        if !self.token.is_cancelled() {
            return;
        }
        let waker = cx.waker().clone();
        let replaced = lock(&self.waker).replace(waker);
        drop(replaced);
        if self.is_forced() {
            cx.waker().wake_by_ref();
        }
    }
}

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
/// task.abort_handle().abort();
/// let Err(TaskError::Failed(cancelled)) = task.await else { unreachable!() };
/// assert!(cancelled.was_forced());
/// # }
/// # });
/// ```
#[derive(Clone)]
pub struct AbortHandle(pub(super) Arc<Entry>);

impl AbortHandle {
    /// Cancels the task: its check points fail, and it unwinds, with its clean-up.
    #[track_caller]
    pub fn cancel(&self) {
        self.0.token.cancel();
    }

    /// Cancels the task with this reason; `false` if it was cancelled already.
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<CancelReason>) -> bool {
        self.0.token.cancel_with(reason)
    }

    /// Cancels the task, polls it once more, and drops it where it stands if it is not done by then: also in a shield, as
    /// tokio's `abort` would. Its error then [says so](crate::Cancelled::was_forced).
    ///
    /// A blocking task is cancelled, but cannot be dropped.
    #[track_caller]
    pub fn abort(&self) {
        self.0.force(ReasonKind::Manual, Location::caller());
    }

    /// Has the task ended? Nothing of it is left then.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.0.is_over()
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.0.info.id
    }

    /// Which task it is.
    #[must_use]
    pub fn info(&self) -> &TaskInfo {
        &self.0.info
    }

    /// The task's token: it is the ambient one in the task.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.0.token
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
