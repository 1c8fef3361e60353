//! What the tasks of a group and its owner share: who is running, and how the others ended.
//!
//! A task reports its end to its [`Member`]; the owner waits, by waker, for the next end or for the last. The first
//! failure cancels the group's token, and so every other task; its report is listed *before* the cancel, so that what
//! fails because of it is listed after it; and it counts as running until that cancel has run its callbacks. No user code
//! runs under the lock.
//!
//! Errors are the user's, so it cannot be told from one whether it follows from another. What can be told is the order: once
//! the owner has taken the first failure, a later error is put down to it.

use std::collections::VecDeque;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::task::{Context, Poll, Waker};

use super::outcome::{TaskError, TaskPanic};
use crate::context::{self, About};
use crate::error::Cancelled;
use crate::primitive::{Arc, Mutex, lock};
use crate::reason::{CancelReason, ReasonKind};
use crate::scope::behaviour::end_token;
use crate::scope::catch::Caught;
use crate::scope::options::Scope;
use crate::token::CancellationToken;
use crate::unwind::{FirstPanic, caught};

pub(crate) struct Shared<T, E> {
    token: CancellationToken,
    /// Of the scope in which the group was made: tasks run elsewhere, and take its name and grace along.
    about: About,
    location: &'static Location<'static>,
    state: Mutex<State<T, E>>,
}

struct State<T, E> {
    spawned: usize,
    running: usize,
    /// What the first failure cancels the others with.
    first_failure: Option<CancelReason>,
    /// And the owner has been given it.
    is_failure_taken: bool,
    /// How many of these have reported, and are telling the others.
    telling: usize,
    /// The owner has waited for all there were: what is spawned now is too late.
    is_over: bool,
    /// In order of completion; not yet taken by the owner.
    ended: VecDeque<Ended<T, E>>,
    /// The owner's, while it waits.
    waker: Option<Waker>,
}

struct Ended<T, E> {
    /// Its place in the order of spawning.
    index: usize,
    result: Result<T, TaskError<E>>,
}

impl<T, E> Shared<T, E> {
    /// A group whose tasks run under `token`, in the scope that is now ambient.
    pub(crate) fn new(token: CancellationToken, location: &'static Location<'static>) -> Arc<Self> {
        let (_, about) = context::Context::current().into_parts();
        Arc::new(Self {
            token,
            about,
            location,
            state: Mutex::new(State {
                spawned: 0,
                running: 0,
                first_failure: None,
                is_failure_taken: false,
                telling: 0,
                is_over: false,
                ended: VecDeque::new(),
                waker: None,
            }),
        })
    }

    pub(crate) fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Tasks that the owner has not heard of yet.
    pub(crate) fn len(&self) -> usize {
        let state = lock(&self.state);
        state.running - state.telling + state.ended.len()
    }

    /// The scope that a task of the group runs in.
    #[track_caller]
    pub(crate) fn task_scope(&self) -> Scope {
        let mut scope = Scope::new().parent(&self.token);
        scope.about = self.about.clone();
        scope
    }

    /// One more task.
    pub(crate) fn enlist(self: &Arc<Self>, spawned_at: &'static Location<'static>) -> Member<T, E>
    where
        E: From<Cancelled> + 'static,
    {
        let mut state = lock(&self.state);
        let index = state.spawned;
        state.spawned += 1;
        state.running += 1;
        let is_over = state.is_over;
        drop(state);
        if is_over && !self.token.is_cancelled() {
            // (Not `end_token`: the task has yet to make its own token of this one, which nobody else may hold by now.)
            self.token.cancel_plainly(ReasonKind::ScopeEnded, self.location);
        }
        Member {
            shared: Arc::clone(self),
            index,
            spawned_at,
            has_ended: false,
        }
    }

    /// A task has ended; with what is to be told to the others, if it has failed.
    fn report(&self, ended: Ended<T, E>, failed: Option<CancelReason>) {
        let mut state = lock(&self.state);
        state.ended.push_back(ended);
        // The one that is too late is dropped without the lock: its error is the user's.
        let reason = failed
            .as_ref()
            .map(|failed| state.first_failure.get_or_insert_with(|| failed.clone()).clone());
        // Callbacks, wakers: whatever one of them does, the others have their turn, and the task is counted off.
        let mut panics = FirstPanic::default();
        if let Some(reason) = reason {
            state.telling += 1;
            drop(state);
            panics.run(|| self.supersede(reason));
            state = lock(&self.state);
            state.telling -= 1;
        }
        state.running -= 1;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            panics.run(|| waker.wake());
        }
        panics.run(|| drop(failed));
        panics.resume();
    }

    fn supersede(&self, reason: CancelReason) {
        if !self.token.is_cancelled() {
            self.token.cancel_with(reason);
        }
    }

    fn poll<R>(&self, cx: &Context<'_>, mut take: impl FnMut(&mut State<T, E>) -> Option<R>) -> Poll<R> {
        let mut waker = None;
        loop {
            let mut state = lock(&self.state);
            if let Some(taken) = take(&mut state) {
                drop(state);
                if waker.is_some() {
                    // The clone was for nothing. Its destructor is user code, and what has been taken must not be lost to it.
                    caught(|| drop(waker));
                }
                return Poll::Ready(taken);
            }
            if state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            if let Some(waker) = waker.take() {
                let replaced = state.waker.replace(waker);
                // Dropped without the lock.
                drop(state);
                drop(replaced);
                return Poll::Pending;
            }
            drop(state);
            // Cloned without the lock; so there may be something to take by now.
            waker = Some(cx.waker().clone());
        }
    }

    /// The next result, in order of completion; `None` when there is no task left.
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<Result<T, TaskError<E>>>> {
        let next = self.poll(cx, |state| match state.ended.pop_front() {
            None if state.running > 0 => None,
            ended => Some(ended),
        });
        next.map(|ended| {
            let ended = ended?;
            // Whoever hears of a failure finds the group cancelled, though its task has not got that far.
            if ended.result.is_err() {
                let reason = lock(&self.state).first_failure.clone();
                let mut panics = FirstPanic::default();
                panics.run(|| {
                    if let Some(reason) = reason {
                        self.supersede(reason);
                    }
                });
                let mut state = lock(&self.state);
                if panics.has_panicked() {
                    // Nobody has heard of it yet: it is there for the next one who asks.
                    state.ended.push_front(ended);
                    drop(state);
                    panics.resume();
                    return None;
                }
                state.is_failure_taken = true;
            }
            Some(ended.result)
        })
    }

    /// Ready when no task is running.
    pub(crate) fn poll_idle(&self, cx: &Context<'_>) -> Poll<()> {
        self.poll(cx, |state| (state.running == 0).then_some(()))
    }

    /// The first failure that has not been taken; a panic comes before any error.
    pub(crate) fn take_failure(&self) -> Option<TaskError<E>> {
        let mut state = lock(&self.state);
        let mut ended = Vec::from(mem::take(&mut state.ended));
        let failure = take_failure(&mut ended, false);
        state.ended = VecDeque::from(ended);
        state.is_failure_taken |= failure.is_some();
        failure
    }

    /// All values that have not been taken, in order of spawning; or the first failure, where a panic comes first.
    pub(crate) fn take_all(&self) -> Result<Vec<T>, TaskError<E>> {
        let mut state = lock(&self.state);
        let mut ended = Vec::from(mem::take(&mut state.ended));
        state.is_failure_taken = state.first_failure.is_some();
        drop(state);
        if let Some(failure) = take_failure(&mut ended, false) {
            return Err(failure);
        }
        ended.sort_unstable_by_key(|ended| ended.index);
        ended.into_iter().map(|ended| ended.result).collect()
    }

    /// The owner goes away.
    pub(crate) fn leave(&self) {
        let mut state = lock(&self.state);
        state.is_over = true;
        let is_idle = state.running == 0;
        drop(state);
        if is_idle {
            end_token(&self.token, self.location);
        } else {
            self.supersede(CancelReason::dropped_at(self.location));
        }
    }

    /// The body of a `run` is over: if it failed, so must the tasks. To be [settled](Leaving::settle) once they have ended.
    pub(crate) fn body_over<R>(&self, body: Caught<Result<R, E>>) -> Leaving<R, E> {
        // What failed first counts: a body that fails after a task fails because of it.
        let mut state = lock(&self.state);
        let mut ended = Vec::from(mem::take(&mut state.ended));
        let is_failure_taken = state.is_failure_taken;
        drop(state);
        let before = take_failure(&mut ended, is_failure_taken);
        let mut panics = FirstPanic::default();
        panics.run(|| match &body {
            Ok(Ok(_)) => {}
            Ok(Err(_)) => {
                let why = "the body of the group failed";
                self.supersede(CancelReason::superseded(why, None, self.location));
            }
            Err(_) => self.supersede(CancelReason::dropped_at(self.location)),
        });
        drop_each(ended, &mut panics);
        Leaving {
            body,
            before,
            after: None,
            panics,
        }
    }
}

/// A `run` whose body is over and whose tasks may not be.
pub(crate) struct Leaving<R, E> {
    body: Caught<Result<R, E>>,
    /// What had failed before.
    before: Option<TaskError<E>>,
    /// What has failed since.
    after: Option<TaskError<E>>,
    /// Of callbacks, and of the destructors of results that nobody has asked for.
    panics: FirstPanic,
}

impl<R, E> Leaving<R, E> {
    /// Is everything over, now that no task is running? Drops the results that have come in; a destructor among them may
    /// have spawned another task, which is to be waited for as well.
    pub(crate) fn is_over<T>(&mut self, shared: &Shared<T, E>) -> bool {
        loop {
            let mut state = lock(&shared.state);
            if state.ended.is_empty() {
                // Under the same lock: what is spawned from here on is too late.
                state.is_over = state.running == 0;
                return state.is_over;
            }
            let mut ended = Vec::from(mem::take(&mut state.ended));
            let is_failure_taken = state.is_failure_taken;
            drop(state);
            if let Some(failure) = take_failure(&mut ended, is_failure_taken) {
                let has_panicked = self.after.as_ref().is_some_and(TaskError::is_panic);
                let surplus = if self.after.is_none() || (failure.is_panic() && !has_panicked) {
                    self.after.replace(failure)
                } else {
                    Some(failure)
                };
                self.panics.run(|| drop(surplus));
            }
            drop_each(ended, &mut self.panics);
        }
    }

    /// What the `run` returns. A panic comes before any error: a bug is not to hide behind a failure.
    pub(crate) fn settle(self) -> Result<R, E> {
        let body = self.body.unwrap_or_else(|panic| resume_unwind(panic));
        let mut errors = [self.before, self.after].map(|failure| failure.map(TaskError::or_resume));
        self.panics.resume();
        if let Some(error) = errors[0].take() {
            return Err(error);
        }
        let value = body?;
        match errors[1].take() {
            Some(error) => Err(error),
            None => Ok(value),
        }
    }
}

/// Drops results that nobody has asked for.
fn drop_each<T, E>(ended: Vec<Ended<T, E>>, panics: &mut FirstPanic) {
    for ended in ended {
        panics.run(|| drop(ended));
    }
}

/// The panic among these, or else the first error; or no error, if they all follow from one that has been taken.
fn take_failure<T, E>(ended: &mut Vec<Ended<T, E>>, is_failure_taken: bool) -> Option<TaskError<E>> {
    let panicked = |ended: &Ended<T, E>| ended.result.as_ref().is_err_and(TaskError::is_panic);
    let failed = |ended: &Ended<T, E>| !is_failure_taken && ended.result.is_err();
    let at = ended
        .iter()
        .position(panicked)
        .or_else(|| ended.iter().position(failed))?;
    ended.remove(at).result.err()
}

/// One task, from its own point of view.
pub(crate) struct Member<T, E: From<Cancelled> + 'static> {
    shared: Arc<Shared<T, E>>,
    index: usize,
    spawned_at: &'static Location<'static>,
    has_ended: bool,
}

impl<T, E: From<Cancelled> + 'static> Member<T, E> {
    /// The token of the group.
    pub(super) fn token(&self) -> &CancellationToken {
        &self.shared.token
    }

    pub(super) fn about(&self) -> &About {
        &self.shared.about
    }

    pub(super) fn spawned_at(&self) -> &'static Location<'static> {
        self.spawned_at
    }

    /// Runs the task, which is a closure, in its scope on this thread.
    pub(crate) fn run(self, f: impl FnOnce() -> Result<T, E>) {
        let (scope, location) = (self.shared.task_scope(), self.spawned_at);
        let result = catch_unwind(AssertUnwindSafe(|| scope.run_sync_at(location, |_| f())));
        self.end(result);
    }

    /// There is no thread for it: it was never there.
    pub(crate) fn withdraw(mut self) {
        self.has_ended = true;
        let mut state = lock(&self.shared.state);
        state.running -= 1;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The task has ended, and nothing of it is left.
    pub(crate) fn end(mut self, result: Caught<Result<T, E>>) {
        self.report(match result {
            Ok(result) => result.map_err(TaskError::Failed),
            Err(payload) => Err(TaskError::Panicked(TaskPanic::new(payload, self.spawned_at))),
        });
    }

    fn report(&mut self, result: Result<T, TaskError<E>>) {
        self.has_ended = true;
        let failed = result.as_ref().err().map(|error| error.superseding(self.spawned_at));
        let index = self.index;
        self.shared.report(Ended { index, result }, failed);
    }
}

/// A task that was dropped before its end, by a runtime that shuts down for one.
impl<T, E: From<Cancelled> + 'static> Drop for Member<T, E> {
    fn drop(&mut self) {
        if !self.has_ended {
            let cancelled = Cancelled::dropped(self.spawned_at);
            // The user's. If it panicked past here, the group would wait for this task for ever.
            let error = catch_unwind(AssertUnwindSafe(|| TaskError::from(cancelled)));
            self.report(Err(error.unwrap_or_else(|payload| {
                TaskError::Panicked(TaskPanic::new(payload, self.spawned_at))
            })));
        }
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
