//! Tasks and blocking workers of tokio that belong to a scope. Feature `tokio`.
//!
//! Deadlines of scopes need nothing from tokio, not even its time driver. Where tokio's clock is paused they follow that clock,
//! as [`sleep`](crate::sleep()) does: a moment for [`Scope::deadline`](crate::Scope::deadline) then comes from
//! `tokio::time::Instant::now().into_std()`. [`cancel_after`](crate::CancellationToken::cancel_after) of a token goes by real
//! time always.

use std::future::Future;

use tokio::task::{self, JoinHandle};

use crate::context::propagate;
use crate::scope::{CancelFutureExt as _, Spawn, SpawnBlocking};

/// Spawns a task that has the ambient token of this code.
///
/// The scope does not wait for it. Once the scope is cancelled, dropped or over, the task's check points fail.
///
/// # Panics
///
/// As [`tokio::spawn`], outside a runtime.
///
/// ```
/// # use cancelable::{CancellationToken, current};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let token = CancellationToken::new();
/// let task = token.scope(async { cancelable::tokio::spawn(async { current() }) }).await;
/// assert_eq!(task.await.unwrap(), token);
/// # });
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    task::spawn(future.in_current_scope())
}

/// Runs a closure on a thread for blocking work, with the ambient token of this code.
///
/// tokio cannot stop such a closure; its own check points do. Once the scope is cancelled, dropped or over, the next one
/// fails.
///
/// # Panics
///
/// As [`tokio::task::spawn_blocking`], outside a runtime.
///
/// ```
/// # use cancelable::{CancellationToken, Cancelled, check};
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let token = CancellationToken::new();
/// let worker = token
///     .scope(async {
///         cancelable::tokio::spawn_blocking(|| -> Result<(), Cancelled> { loop { check()?; } })
///     })
///     .await;
/// token.cancel();
/// assert!(worker.await.unwrap().is_err());
/// # });
/// ```
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    task::spawn_blocking(propagate(f))
}

/// The runtime that the code now running is in; what [`TaskGroup`] is on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tokio;

impl Spawn for Tokio {
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        task::spawn(task);
    }
}

impl SpawnBlocking for Tokio {
    fn spawn_blocking<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static,
    {
        task::spawn_blocking(task);
    }
}

/// Tasks of tokio that belong together: a `JoinSet` whose tasks inherit the scope and fail together. See
/// [`TaskGroup`](crate::TaskGroup).
///
/// ```
/// use cancelable::{Cancelled, tokio::TaskGroup};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let squares: Result<Vec<u32>, Cancelled> = TaskGroup::run(async |group| {
///     for n in 1..=3 {
///         group.spawn(async move { Ok(n * n) });
///     }
///     Ok(group.join().await.map_err(|error| error.or_resume())?)
/// })
/// .await;
/// assert_eq!(squares.unwrap(), [1, 4, 9]);
/// # });
/// ```
pub type TaskGroup<T, E> = crate::TaskGroup<T, E, Tokio>;

/// Starts tasks in a [`TaskGroup`] from elsewhere. See [`Spawner`](crate::Spawner).
pub type Spawner<T, E> = crate::Spawner<T, E, Tokio>;
