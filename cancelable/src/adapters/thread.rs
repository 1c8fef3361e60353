//! Plain threads that belong to a scope, alone or in groups.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::thread::{self, JoinHandle};

use crate::context::{current, propagate};
use crate::error::Cancelled;
use crate::park::block_on;
use crate::primitive::Arc;
use crate::scope::{GroupShared, Scope, TaskError, run_blocking};
use crate::token::CancellationToken;

/// Starts a thread that has the ambient token of this one: its check points notice when the scope is cancelled, dropped
/// or over.
///
/// The scope does not wait for it; [`JoinHandle::join`] does.
///
/// # Panics
///
/// As [`std::thread::spawn`], if the system has no thread to give.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, check};
///
/// let token = CancellationToken::new();
/// let worker = token.sync_scope(|| {
///     cancelable::thread::spawn(|| -> Result<(), Cancelled> { loop { check()?; } })
/// });
/// token.cancel();
/// assert!(worker.join().unwrap().is_err());
/// ```
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    thread::spawn(propagate(f))
}

/// Threads that belong together: they inherit the scope, the first failure cancels the others, and their owner hears of
/// every one of them, of panics too.
///
/// It is the [`TaskGroup`](crate::TaskGroup) of async code with calls that block, and tells of tasks, errors and panics
/// what that does, except for one thing: a thread cannot be dropped. So leaving a group always waits for its threads:
///
/// - [`run`](Self::run) is a block that waits for them whichever way it is left;
/// - dropping a group cancels them, with kind [`Dropped`](crate::ReasonKind::Dropped), and waits.
///
/// In async code, use the group of your runtime, with its `spawn_blocking`.
///
/// ```
/// use cancelable::{Cancelled, check, thread::TaskGroup};
///
/// // Whoever finds it first ends the search of the others.
/// let mut group = TaskGroup::<u64, Cancelled>::new();
/// for start in [1, 500, 1000] {
///     group.spawn(move || {
///         let mut n: u64 = start;
///         while n * n != 1_048_576 {
///             check()?;
///             n += 1;
///         }
///         Ok(n)
///     });
/// }
/// let found = group.next().unwrap();
/// drop(group);
/// assert_eq!(found.unwrap(), 1024);
/// ```
pub struct TaskGroup<T, E> {
    shared: Arc<GroupShared<T, E>>,
}

impl<T, E> TaskGroup<T, E> {
    /// An empty group below the ambient token.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::below(current().child_token(), Location::caller())
    }

    fn below(token: CancellationToken, location: &'static Location<'static>) -> Self {
        Self {
            shared: GroupShared::new(token, location),
        }
    }

    /// Runs `body` with a group, on this thread, and waits for all threads of the group before it returns, whichever way
    /// that is. See [`TaskGroup::run`](crate::TaskGroup::run).
    ///
    /// ```
    /// use cancelable::{Cancelled, check, thread::TaskGroup};
    ///
    /// let result: Result<(), Cancelled> = TaskGroup::run(|group| {
    ///     group.spawn(|| -> Result<(), Cancelled> { loop { check()?; } });
    ///     group.token().cancel_with("enough");
    ///     Ok(())
    /// });
    /// assert_eq!(result.unwrap_err().reason().to_string(), "enough");
    /// ```
    ///
    /// # Errors
    ///
    /// The first of: the error of a thread that the body has not [taken](Self::next), the error of the body. `E`'s form
    /// of [`Cancelled`] if the scope was cancelled before the body started.
    ///
    /// # Panics
    ///
    /// With the panic of the body, or else of a thread that the body has not taken, when all threads have ended.
    #[track_caller]
    pub fn run<R>(body: impl FnOnce(&mut Self) -> Result<R, E>) -> Result<R, E>
    where
        E: From<Cancelled>,
    {
        let location = Location::caller();
        Scope::new().run_sync_with(|token| {
            let mut group = Self::below(token.clone(), location);
            let shared = Arc::clone(&group.shared);
            let body = catch_unwind(AssertUnwindSafe(|| body(&mut group)));
            let leaving = shared.body_over(body);
            block_on(poll_fn(|cx| shared.poll_idle(cx)));
            leaving.settle(&shared)
        })
    }

    /// Starts a thread.
    ///
    /// # Panics
    ///
    /// As [`std::thread::spawn`], if the system has no thread to give.
    #[track_caller]
    pub fn spawn<F>(&self, f: F)
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Cancelled> + Send + 'static,
    {
        thread::spawn(run_blocking(Arc::clone(&self.shared), f));
    }

    /// Blocks this thread until the next one of the group ends, and gives its result: in order of completion. `None` when
    /// no thread is left.
    ///
    /// Under a cancelled scope it goes on waiting, since the threads are on their way out and the first of them to fail
    /// says why.
    #[expect(
        clippy::should_implement_trait,
        reason = "named as in async groups; iterating would hide the blocking"
    )]
    pub fn next(&mut self) -> Option<Result<T, TaskError<E>>> {
        block_on(poll_fn(|cx| self.shared.poll_next(cx)))
    }

    /// Blocks this thread until all of the group have ended, and gives their values in order of spawning; without those
    /// that [`next`](Self::next) took.
    ///
    /// # Errors
    ///
    /// The first failure, in order of completion; but a panic comes before any error. It has cancelled the others, and
    /// they have ended. What they ended with is dropped.
    pub fn join(&mut self) -> Result<Vec<T>, TaskError<E>> {
        block_on(poll_fn(|cx| self.shared.poll_idle(cx)));
        self.shared.take_all()
    }

    /// The group's token: cancel it to cancel all threads.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        self.shared.token()
    }

    /// How many threads there are whose results have not been taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Cancels the threads, and waits for them.
impl<T, E> Drop for TaskGroup<T, E> {
    fn drop(&mut self) {
        self.shared.leave();
        block_on(poll_fn(|cx| self.shared.poll_idle(cx)));
    }
}

/// As [`TaskGroup::new`].
impl<T, E> Default for TaskGroup<T, E> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> fmt::Debug for TaskGroup<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("tasks", &self.len())
            .field("token", self.token())
            .finish()
    }
}
