//! Tasks and blocking workers of smol that belong to a scope. Feature `smol`.
//!
//! **Plain `smol::spawn` and `smol::unblock` lose the scope.** What they start has no ambient token. Its check points never fail, and
//! it runs to its end whatever is cancelled. No error or warning says so. [`spawn`] and [`spawn_blocking`] of this module take the
//! scope along:
//!
//! ```
//! use cancelable::{Cancelled, cancelable};
//!
//! /// Computes, on a thread for blocking work. Checked at every iteration.
//! #[cancelable]
//! fn count(to: u64) -> Result<u64, Cancelled> {
//!     let mut n = 0;
//!     while n < to {
//!         n += 1;
//!     }
//!     Ok(n)
//! }
//!
//! /// `timeout` opens a scope, and the worker takes it along: it stops with the timeout, and when this future is dropped.
//! #[cancelable(timeout = "20ms")]
//! async fn answer() -> Result<u64, Cancelled> {
//!     cancelable::smol::spawn_blocking(|| count(u64::MAX)).await
//! }
//!
//! # smol::block_on(async {
//! assert!(answer().await.unwrap_err().is_timeout());
//! # });
//! ```
//!
//! **Tasks of smol cannot be told apart.** A plainly spawned task that is polled inside a scope, because code in there drives its
//! executor (`smol::block_on(executor.run(…))`), is cancelled with that scope. Open the scope inside `run`, or spawn the task
//! with a scope of its own; [`spawn`] does. See
//! [`CancellationToken::sync_scope`](crate::CancellationToken#executors-inside).

use std::future::Future;

use smol::Task;

use crate::context::propagate_apart;
use crate::scope::{self, CancelFutureExt as _, Spawn, SpawnBlocking};

/// Spawns a task on smol's global executor that has the ambient token of this code.
///
/// The scope does not wait for it. Once the scope is cancelled, dropped or over, the task's check points fail. Plain `smol::spawn`
/// in its place loses the scope: they never fail. To wait for the tasks of a scope, start them in a [`TaskGroup`].
///
/// As ever with smol, dropping the [`Task`] drops the future; `detach` it to let it run.
///
/// ```
/// # use cancelable::{CancellationToken, current};
/// # smol::block_on(async {
/// let token = CancellationToken::new();
/// let task = token.scope(async { cancelable::smol::spawn(async { current() }) }).await;
/// assert_eq!(task.await, token);
/// # });
/// ```
#[track_caller]
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    smol::spawn(future.in_current_scope())
}

/// Runs a closure on a thread for blocking work ([`smol::unblock`]), with the ambient token of this code.
///
/// smol cannot stop such a closure once it runs; its own check points do. Once the scope is cancelled, dropped or over,
/// the next one fails. Plain `smol::unblock` in its place loses the scope: none ever fails.
///
/// ```
/// # use cancelable::{CancellationToken, Cancelled, check};
/// # smol::block_on(async {
/// let token = CancellationToken::new();
/// let worker = token
///     .scope(async {
///         cancelable::smol::spawn_blocking(|| -> Result<(), Cancelled> { loop { check()?; } })
///     })
///     .await;
/// token.cancel();
/// assert!(worker.await.is_err());
/// # });
/// ```
#[track_caller]
pub fn spawn_blocking<F, R>(f: F) -> Task<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    smol::unblock(propagate_apart(f))
}

/// smol's global executor; what [`TaskGroup`] is on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Smol;

impl Spawn for Smol {
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        smol::spawn(task).detach();
    }
}

impl SpawnBlocking for Smol {
    fn spawn_blocking<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static,
    {
        smol::unblock(task).detach();
    }
}

/// Tasks of smol that belong together.
///
/// It is the general [`cancelable::TaskGroup`](crate::TaskGroup) with its runtime filled in; its methods are on that page. In a
/// program with smol, import this one: `use cancelable::smol::TaskGroup`.
///
/// ```
/// use cancelable::{Cancelled, smol::TaskGroup};
///
/// # smol::block_on(async {
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
pub type TaskGroup<T, E> = scope::TaskGroup<T, E, Smol>;

/// Starts tasks in a [`TaskGroup`] from elsewhere. See [`Spawner`](crate::Spawner).
pub type Spawner<T, E> = scope::Spawner<T, E, Smol>;

/// Owns tasks of smol that live long.
///
/// It is the general [`cancelable::TaskOwner`](crate::TaskOwner) with its runtime filled in; its methods are on that page. In a
/// program with smol, import this one: `use cancelable::smol::TaskOwner`. (For a `LocalExecutor`, implement
/// [`SpawnLocal`](crate::SpawnLocal) for a type that has one.)
///
/// ```
/// use cancelable::{sleep, smol::TaskOwner};
/// use std::time::Duration;
///
/// # smol::block_on(async {
/// let tasks = TaskOwner::new();
/// tasks.spawn(async { sleep(Duration::from_secs(3600)).await });
/// let report = tasks.cancel_and_wait(Duration::from_secs(1)).await;
/// assert!(report.is_clean());
/// # });
/// ```
pub type TaskOwner = scope::TaskOwner<Smol>;
