//! The way of a task's result to whoever asked for it: the holder of its handle. Without one it is dropped.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::abort::AbortHandle;
use super::info::{TaskId, TaskInfo};
use super::roster::{Enlisted, Roster};
use super::slots::Key;
use crate::error::Cancelled;
use crate::primitive::{Arc, Mutex, lock};
use crate::reason::CancelReason;
use crate::scope::group::TaskError;
use crate::token::CancellationToken;
use crate::unwind::FirstPanic;

/// How a task came out.
pub(super) type Outcome<T> = Result<T, TaskError<Cancelled>>;

/// What a task and its handle share.
pub(super) struct Answer<T> {
    pub(super) roster: Arc<Roster>,
    pub(super) key: Key,
    pub(super) info: TaskInfo,
    pub(super) token: CancellationToken,
    state: Mutex<State<T>>,
}

struct State<T> {
    outcome: Option<Outcome<T>>,
    /// The handle's.
    waker: Option<Waker>,
    is_unwanted: bool,
    is_over: bool,
}

impl<T> Answer<T> {
    pub(super) fn new(roster: &Arc<Roster>, task: Enlisted) -> Arc<Self> {
        Arc::new(Self {
            roster: Arc::clone(roster),
            key: task.key,
            info: task.info,
            token: task.token,
            state: Mutex::new(State {
                outcome: None,
                waker: None,
                is_unwanted: false,
                is_over: false,
            }),
        })
    }

    /// The task's result, for the handle, if that is there. Otherwise it comes back.
    pub(super) fn put(&self, outcome: Outcome<T>) -> Option<Outcome<T>> {
        let mut state = lock(&self.state);
        if state.is_unwanted {
            return Some(outcome);
        }
        state.outcome = Some(outcome);
        None
    }

    /// The task is off the list: the one who has asked may hear of it.
    pub(super) fn tell(&self, panics: &mut FirstPanic) {
        let mut state = lock(&self.state);
        state.is_over = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
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
    answer: Arc<Answer<T>>,
    is_taken: bool,
}

impl<T> TaskHandle<T> {
    pub(super) fn new(answer: &Arc<Answer<T>>) -> Self {
        Self {
            answer: Arc::clone(answer),
            is_taken: false,
        }
    }

    /// Stops the task, and has nothing to do with its result.
    #[must_use]
    pub fn abort_handle(&self) -> AbortHandle {
        AbortHandle {
            roster: Arc::clone(&self.answer.roster),
            key: self.answer.key,
            info: self.answer.info.clone(),
            token: self.answer.token.clone(),
        }
    }

    /// As [`AbortHandle::cancel`].
    #[track_caller]
    pub fn cancel(&self) {
        self.answer.token.cancel();
    }

    /// As [`AbortHandle::cancel_with`].
    #[track_caller]
    pub fn cancel_with(&self, reason: impl Into<CancelReason>) -> bool {
        self.answer.token.cancel_with(reason)
    }

    /// As [`AbortHandle::abort`].
    #[track_caller]
    pub fn abort(&self) {
        let answer = &*self.answer;
        answer.roster.abort(answer.key, &answer.token, Location::caller());
    }

    /// As [`AbortHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        lock(&self.answer.state).is_over
    }

    /// As [`AbortHandle::id`].
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.answer.info.id
    }

    /// As [`AbortHandle::info`].
    #[must_use]
    pub fn info(&self) -> &TaskInfo {
        &self.answer.info
    }

    /// As [`AbortHandle::token`].
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.answer.token
    }
}

impl<T> Future for TaskHandle<T> {
    type Output = Result<T, TaskError<Cancelled>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        assert!(!this.is_taken, "a `TaskHandle` was polled after it had completed");
        // Cloned without the lock.
        let waker = cx.waker().clone();
        let mut state = lock(&this.answer.state);
        if state.is_over {
            if let Some(outcome) = state.outcome.take() {
                drop(state);
                this.is_taken = true;
                return Poll::Ready(outcome);
            }
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
        let mut state = lock(&self.answer.state);
        state.is_unwanted = true;
        let (outcome, waker) = (state.outcome.take(), state.waker.take());
        drop(state);
        if let Some(Err(TaskError::Panicked(panic))) = outcome {
            self.answer.roster.keep(panic);
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
