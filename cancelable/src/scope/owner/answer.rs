//! The way of a task's result to whoever asked for it: the holder of its handle. Without one it is dropped.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::entry::{AbortHandle, Entry, TaskId, TaskInfo};
use super::roster::Roster;
use crate::error::Cancelled;
use crate::primitive::{Arc, Mutex, lock};
use crate::reason::CancelReason;
use crate::scope::group::TaskError;
use crate::token::CancellationToken;
use crate::unwind::FirstPanic;

/// How a task came out.
pub(super) type Outcome<T> = Result<T, TaskError<Cancelled>>;

struct Answer<T>(Mutex<State<T>>);

struct State<T> {
    outcome: Option<Outcome<T>>,
    /// The handle's.
    waker: Option<Waker>,
    /// The handle has gone.
    is_unwanted: bool,
}

/// Where the task puts its result.
pub(super) struct Asked<T>(Arc<Answer<T>>);

impl<T> Asked<T> {
    /// Wakes the one who has asked, when [`Told::wake`] is called. What nobody wants comes back.
    pub(super) fn tell(self, outcome: Outcome<T>) -> (Told, Option<Outcome<T>>) {
        let mut state = lock(&self.0.0);
        if state.is_unwanted {
            return (Told(None), Some(outcome));
        }
        state.outcome = Some(outcome);
        (Told(state.waker.take()), None)
    }
}

pub(super) struct Told(Option<Waker>);

impl Told {
    pub(super) fn wake(self, panics: &mut FirstPanic) {
        if let Some(waker) = self.0 {
            panics.run(|| waker.wake());
        }
    }
}

/// A task of a [`TaskOwner`](crate::TaskOwner): a future of its result, and a way to [stop](AbortHandle) it.
///
/// Dropping it does not stop the task; its result is then dropped when there is one. That is how nothing is kept of tasks whose
/// results nobody asks for.
///
/// # Errors
///
/// [`TaskError::Failed`] if the task was cancelled before it started, or dropped at a cancel that it did not notice, or
/// [aborted](AbortHandle::abort). A task that noticed the cancel and returned has returned its value. [`TaskError::Panicked`] if
/// it panicked.
///
/// # Cancel safety
///
/// Poll it by reference, and nothing is lost.
///
/// # Panics
///
/// If it is polled again after it was ready.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// # #[cfg(feature = "tokio")] {
/// use cancelable::tokio::TaskOwner;
///
/// let tasks = TaskOwner::new();
/// let task = tasks.spawn(async { 6 * 7 });
/// assert_eq!(task.await.unwrap(), 42);
/// # }
/// # });
/// ```
pub struct TaskHandle<T> {
    abort: AbortHandle,
    roster: Arc<Roster>,
    answer: Arc<Answer<T>>,
    is_taken: bool,
}

impl<T> TaskHandle<T> {
    pub(super) fn new(entry: &Arc<Entry>, roster: &Arc<Roster>) -> (Self, Asked<T>) {
        let answer = Arc::new(Answer(Mutex::new(State {
            outcome: None,
            waker: None,
            is_unwanted: false,
        })));
        let asked = Asked(Arc::clone(&answer));
        let handle = Self {
            abort: AbortHandle(Arc::clone(entry)),
            roster: Arc::clone(roster),
            answer,
            is_taken: false,
        };
        (handle, asked)
    }

    /// Stops the task, and has nothing to do with its result.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        self.abort.clone()
    }

    /// As [`AbortHandle::cancel`].
    #[track_caller]
    pub fn cancel(&self) {
        self.abort.cancel();
    }

    /// As [`AbortHandle::cancel_with`].
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<CancelReason>) -> bool {
        self.abort.cancel_with(reason)
    }

    /// As [`AbortHandle::abort`].
    #[track_caller]
    pub fn abort(&self) {
        self.abort.abort();
    }

    /// As [`AbortHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.abort.is_finished()
    }

    /// As [`AbortHandle::id`].
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.abort.id()
    }

    /// As [`AbortHandle::info`].
    #[must_use]
    pub fn info(&self) -> &TaskInfo {
        self.abort.info()
    }

    /// As [`AbortHandle::token`].
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        self.abort.token()
    }
}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T, TaskError<Cancelled>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        assert!(!this.is_taken, "a `TaskHandle` was polled after it had completed");
        // Cloned without the lock.
        let waker = cx.waker().clone();
        let mut state = lock(&this.answer.0);
        if let Some(outcome) = state.outcome.take() {
            drop(state);
            this.is_taken = true;
            return Poll::Ready(outcome);
        }
        let replaced = state.waker.replace(waker);
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl<T> Unpin for TaskHandle<T> {}

impl<T> Drop for TaskHandle<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.answer.0);
        state.is_unwanted = true;
        let (outcome, waker) = (state.outcome.take(), state.waker.take());
        drop(state);
        if let Some(Err(TaskError::Panicked(panic))) = outcome {
            self.roster.keep(panic);
        }
        drop(waker);
    }
}

impl<T> fmt::Debug for TaskHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle")
            .field("task", self.info())
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
