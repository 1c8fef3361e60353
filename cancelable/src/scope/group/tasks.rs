//! `TaskGroup`: the door for tasks of an async runtime.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::stream::Stream;

use super::outcome::TaskError;
use super::shared::Shared;
use super::spawn::{Spawn, SpawnBlocking, SpawnLocal};
use super::task::{Task, run_blocking};
use crate::context::current;
use crate::error::{Cancelled, FromCancelled};
use crate::primitive::Arc;
use crate::scope::ambient::WithCancellation;
use crate::scope::catch::CatchUnwind;
use crate::scope::options::Scope;
use crate::scope::wait::{Awaited, Wait};
use crate::token::CancellationToken;

/// Tasks that belong together: they inherit the scope, the first failure cancels the others, and their owner hears of
/// every one of them, of panics too.
///
/// **This is the general type, of a group on any runtime `S`.** In a program with tokio, import `cancelable::tokio::TaskGroup`, and
/// with smol `cancelable::smol::TaskGroup`: they are this type with `S` filled in. (`cancelable::TaskGroup::new()` alone does not
/// compile: "type annotations needed".) For threads there is [`cancelable::thread::TaskGroup`](crate::thread::TaskGroup); for other
/// runtimes, [`on`](Self::on). Those who know tokio's `JoinSet` or Trio's nurseries will feel at home.
///
/// There are two ways to use it:
///
/// - [`run`](Self::run) is a block that no task outlives: whichever way it is left, with a value, an error, a cancel or
///   a panic, it first waits for all its tasks.
/// - [`new`](Self::new) makes a group to keep in a variable or a field. [`next`](Self::next) and [`join`](Self::join)
///   wait for its tasks; dropping it cancels those that still run, with kind [`Dropped`](crate::ReasonKind::Dropped),
///   and does not wait.
///
/// # Tasks
///
/// Each task runs in a scope of its own below the group's token, which is a child of the token that was ambient where the
/// group was made. So the task is cancelled with that scope; it is a check point itself, so a future in it that does not
/// notice is dropped; and, where that scope has a [grace](crate::Scope::grace), so has the task.
///
/// Tasks return a `Result`. An error, and a panic as well, cancels the other tasks, with kind
/// [`Superseded`](crate::ReasonKind::Superseded), the line that spawned the failed one, and its error as
/// [`source`](crate::CancelReason::source), if that can be shared; if the group was cancelled already, from outside for
/// example, it keeps that reason. A task whose failure is not to concern the others returns it
/// as a value: `Ok(Err(…))`.
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// use cancelable::{Cancelled, sleep, tokio::TaskGroup};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut group = TaskGroup::<&str, Cancelled>::new();
/// group.spawn(async {
///     sleep(Duration::from_millis(5)).await?;
///     Ok("slow")
/// });
/// group.spawn(async { Ok("quick") });
/// // In order of completion; `join` would give them in order of spawning.
/// assert_eq!(group.next().await.unwrap().unwrap(), "quick");
/// assert_eq!(group.next().await.unwrap().unwrap(), "slow");
/// assert!(group.next().await.is_none());
/// # });
/// # }
/// ```
pub struct TaskGroup<T, E, S> {
    spawner: Spawner<T, E, S>,
    /// Of the group as a stream, while an item is pending.
    item: Option<Item<T, E>>,
}

/// The wait for an item of the stream.
type Item<T, E> = Wait<Asked<Arc<Shared<T, E>>, T, E, Next<T, E>>>;

/// What a group yields.
type Next<T, E> = Option<Result<T, TaskError<E>>>;

/// Starts tasks in a [`TaskGroup`] from elsewhere, from other tasks of the group for one; cheap to clone.
///
/// It keeps nothing alive: what is spawned when the group is gone is cancelled before it starts.
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// use cancelable::{Cancelled, tokio::{Spawner, TaskGroup}};
///
/// fn count_down(from: u32, group: Spawner<u32, Cancelled>) {
///     let next = group.clone();
///     group.spawn(async move {
///         if from > 0 {
///             count_down(from - 1, next);
///         }
///         Ok(from)
///     });
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mut group = TaskGroup::new();
/// count_down(3, group.spawner());
/// assert_eq!(group.join().await.unwrap(), [3, 2, 1, 0]);
/// # });
/// # }
/// ```
pub struct Spawner<T, E, S> {
    shared: Arc<Shared<T, E>>,
    on: S,
}

impl<T, E, S: Default> TaskGroup<T, E, S> {
    /// An empty group below the ambient token.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::on(S::default())
    }

    /// An empty group below this token, whatever the ambient one is: for an object that outlives the scope it is made in.
    #[must_use]
    #[track_caller]
    pub fn below(parent: &CancellationToken) -> Self {
        Self::with(parent.child_token(), S::default(), Location::caller())
    }

    /// Runs `body` with a group, and waits for all tasks of the group before it returns, whichever way that is.
    ///
    /// It is a scope, with all that holds for one: it is a child of the ambient scope, its token is the ambient one in the
    /// body, and it does not start under a cancelled parent.
    ///
    /// - A task that fails cancels the other tasks and the body.
    /// - A body that fails cancels the tasks.
    /// - Results that the body has not asked for are dropped; failures are not, unless the body has taken the first of them,
    ///   which the others follow from. Tasks that destructors of results spawn are waited for as well.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use cancelable::{Cancelled, TaskError, tokio::TaskGroup};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let result: Result<u32, Cancelled> = TaskGroup::run(async |group| {
    ///     for n in 1..=3 {
    ///         group.spawn(async move { Ok(n * n) });
    ///     }
    ///     let mut sum = 0;
    ///     while let Some(square) = group.next().await {
    ///         sum += square.map_err(TaskError::or_resume)?;
    ///     }
    ///     Ok(sum)
    /// })
    /// .await;
    /// assert_eq!(result.unwrap(), 14);
    /// # });
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The first failure. If that is a task's, and the body has [taken](Self::next) it, what the body returns counts, and no
    /// error of a task that this failure has cancelled. `E`'s form of [`Cancelled`] if the scope was cancelled before the body started, or while it was pending on something that does
    /// not notice.
    ///
    /// # Panics
    ///
    /// With the panic of the body, or else of a task that the body has not taken, or of a destructor of a result, when all
    /// tasks have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the tasks with kind [`Dropped`](crate::ReasonKind::Dropped), and does not wait for
    /// them. A cancel of the scope outside does not drop it, but waits for its tasks, bounded by the
    /// [grace](crate::Scope::grace) of that scope.
    #[track_caller]
    pub fn run<R, F>(body: F) -> impl Future<Output = Result<R, E>>
    where
        F: AsyncFnOnce(&mut Self) -> Result<R, E>,
        E: From<Cancelled>,
    {
        Self::run_on(S::default(), body)
    }
}

impl<T, E, S> TaskGroup<T, E, S> {
    /// An empty group below the ambient token, on this runtime.
    #[must_use]
    #[track_caller]
    pub fn on(runtime: S) -> Self {
        Self::with(current().child_token(), runtime, Location::caller())
    }

    fn with(token: CancellationToken, on: S, location: &'static Location<'static>) -> Self {
        Self {
            spawner: Spawner {
                shared: Shared::new(token, location),
                on,
            },
            item: None,
        }
    }

    /// [`run`](Self::run) on this runtime.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    #[track_caller]
    pub fn run_on<R, F>(runtime: S, body: F) -> impl Future<Output = Result<R, E>>
    where
        F: AsyncFnOnce(&mut Self) -> Result<R, E>,
        E: From<Cancelled>,
    {
        let location = Location::caller();
        Scope::new().run_with(move |token| async move {
            let mut group = Self::with(token.clone(), runtime, location);
            let shared = Arc::clone(&group.spawner.shared);
            let body = async { body(&mut group).await };
            let body = CatchUnwind::new(WithCancellation::at(body, token, location));
            let body = body
                .await
                .map(|body| body.unwrap_or_else(FromCancelled::from_cancelled));
            let mut leaving = shared.body_over(body);
            loop {
                wait(&*shared, Shared::poll_idle).await;
                if leaving.is_over(&shared) {
                    return leaving.settle();
                }
            }
        })
    }

    /// Starts a task below the group's token. (What the runtime's own `spawn` starts is in no group and in no scope: nothing waits
    /// for it, and no cancel reaches it.)
    ///
    /// # Panics
    ///
    /// As the runtime's own `spawn` does, outside the runtime for one.
    #[track_caller]
    pub fn spawn<F>(&self, future: F)
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Cancelled> + Send + 'static,
        S: Spawn,
    {
        self.spawner.spawn(future);
    }

    /// Starts a task that stays on this thread and need not be `Send`: see [`SpawnLocal`].
    ///
    /// # Panics
    ///
    /// As the runtime's own `spawn_local` does; tokio's outside a `LocalSet`.
    #[track_caller]
    pub fn spawn_local<F>(&self, future: F)
    where
        F: Future<Output = Result<T, E>> + 'static,
        T: 'static,
        E: From<Cancelled> + 'static,
        S: SpawnLocal,
    {
        let member = self.spawner.shared.enlist(Location::caller());
        self.spawner.on.spawn_local(Task::new(future, member));
    }

    /// Runs a closure on one of the runtime's threads for blocking work.
    ///
    /// Its own check points are all that can stop it, and whoever waits for the group waits for it.
    ///
    /// # Panics
    ///
    /// As the runtime's own `spawn_blocking` does.
    #[track_caller]
    pub fn spawn_blocking<F>(&self, f: F)
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Cancelled> + Send + 'static,
        S: SpawnBlocking,
    {
        self.spawner.spawn_blocking(f);
    }

    /// To start tasks in this group from elsewhere.
    #[must_use]
    pub fn spawner(&self) -> Spawner<T, E, S>
    where
        S: Clone,
    {
        self.spawner.clone()
    }

    /// Waits for the next task to end, and gives its result: in order of completion. `None` when no task is left.
    ///
    /// Under a cancelled scope it goes on waiting, since the tasks are on their way out and the first of them to fail says
    /// why.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn next(&mut self) -> Option<Result<T, TaskError<E>>> {
        self.item = None;
        wait(&*self.spawner.shared, Shared::poll_next).await
    }

    /// Waits for all tasks, and gives their values in order of spawning; without those that [`next`](Self::next) took.
    ///
    /// # Errors
    ///
    /// The first failure, in order of completion; but a panic comes before any error. It has cancelled the others, and
    /// they have ended. What they ended with is dropped.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    pub async fn join(&mut self) -> Result<Vec<T>, TaskError<E>> {
        self.item = None;
        let shared = &*self.spawner.shared;
        wait(shared, Shared::poll_idle).await;
        shared.take_all()
    }

    /// The group's token: cancel it to cancel all tasks.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        self.spawner.shared.token()
    }

    /// How many tasks there are whose results have not been taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.spawner.shared.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Something of a group to wait for.
struct Asked<P, T, E, R> {
    /// Owned or borrowed.
    shared: P,
    poll: fn(&Shared<T, E>, &Context<'_>) -> Poll<R>,
}

fn wait<P, T, E, R>(shared: P, poll: fn(&Shared<T, E>, &Context<'_>) -> Poll<R>) -> Wait<Asked<P, T, E, R>>
where
    P: Deref<Target = Shared<T, E>> + Unpin,
{
    Wait::new(Asked { shared, poll })
}

impl<P, T, E, R> Awaited for Asked<P, T, E, R>
where
    P: Deref<Target = Shared<T, E>> + Unpin,
{
    type Output = R;

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<R> {
        (self.poll)(&self.shared, cx)
    }

    fn token(&self) -> &CancellationToken {
        self.shared.token()
    }
}

impl<T, E, S> Spawner<T, E, S> {
    /// As [`TaskGroup::spawn`].
    ///
    /// # Panics
    ///
    /// As that.
    #[track_caller]
    pub fn spawn<F>(&self, future: F)
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: From<Cancelled> + Send + 'static,
        S: Spawn,
    {
        let member = self.shared.enlist(Location::caller());
        self.on.spawn(Task::new(future, member));
    }

    /// As [`TaskGroup::spawn_blocking`].
    ///
    /// # Panics
    ///
    /// As that.
    #[track_caller]
    pub fn spawn_blocking<F>(&self, f: F)
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Cancelled> + Send + 'static,
        S: SpawnBlocking,
    {
        let task = run_blocking(Arc::clone(&self.shared), f);
        self.on.spawn_blocking(task);
    }
}

impl<T, E, S> Drop for TaskGroup<T, E, S> {
    fn drop(&mut self) {
        self.spawner.shared.leave();
    }
}

/// The results of the tasks, as [`next`](TaskGroup::next) gives them. `None` when no task is left; when more are spawned
/// after that, it goes on.
///
/// ```
/// # #[cfg(feature = "tokio")] {
/// use cancelable::{Cancelled, tokio::TaskGroup};
/// use futures::TryStreamExt as _;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let group = TaskGroup::<u32, Cancelled>::new();
/// for n in 1..=3 {
///     group.spawn(async move { Ok(n * n) });
/// }
/// let mut squares: Vec<u32> = group.try_collect().await.unwrap();
/// squares.sort();
/// assert_eq!(squares, [1, 4, 9]);
/// # });
/// # }
/// ```
impl<T, E, S: Unpin> Stream for TaskGroup<T, E, S> {
    type Item = Result<T, TaskError<E>>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let shared = &this.spawner.shared;
        let item = this
            .item
            .get_or_insert_with(|| wait(Arc::clone(shared), Shared::poll_next));
        let poll = Pin::new(item).poll(cx);
        if poll.is_ready() {
            this.item = None;
        }
        poll
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Tasks may spawn more.
        (self.len(), None)
    }
}

/// As [`TaskGroup::new`].
impl<T, E, S: Default> Default for TaskGroup<T, E, S> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E, S: Clone> Clone for Spawner<T, E, S> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            on: self.on.clone(),
        }
    }
}

impl<T, E, S> fmt::Debug for TaskGroup<T, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("tasks", &self.len())
            .field("token", self.token())
            .finish_non_exhaustive()
    }
}

impl<T, E, S> fmt::Debug for Spawner<T, E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spawner")
            .field("token", self.shared.token())
            .finish_non_exhaustive()
    }
}
