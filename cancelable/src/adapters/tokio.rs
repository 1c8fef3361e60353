//! Tasks and blocking workers of tokio that belong to a scope. Feature `tokio`.
//!
//! **Plain `tokio::spawn` and `tokio::task::spawn_blocking` lose the scope.** What they start has no ambient token. Its check points
//! never fail, and it runs to its end whatever is cancelled. No error or warning says so. [`spawn`] and [`spawn_blocking`] of this
//! module take the scope along:
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
//!     cancelable::tokio::spawn_blocking(|| count(u64::MAX)).await.expect("it does not panic")
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! assert!(answer().await.unwrap_err().is_timeout());
//! # });
//! ```
//!
//! | of tokio | here |
//! |---|---|
//! | `tokio::spawn` | [`spawn`] |
//! | `tokio::task::spawn_blocking` | [`spawn_blocking`] |
//! | `tokio::task::spawn_local` | [`TaskOwner::spawn_local`](crate::TaskOwner::spawn_local), [`TaskGroup::spawn_local`](crate::TaskGroup::spawn_local) |
//! | `JoinSet` | [`TaskGroup`] for fork and join, [`TaskOwner`] for tasks that live long |
//! | tokio-util's `TaskTracker` | [`TaskOwner`] |
//! | `tokio::time::timeout` | [`cancel_scope!(timeout = …)`](crate::cancel_scope), which also reaches workers and lets code clean up |
//! | `tokio::time::sleep(d).await` | the same in an annotated function, elsewhere [`sleep`](crate::sleep()) |
//!
//! A runtime that shuts down waits for its blocking threads, however long they take, cancelled or not. Where a program must end
//! soon, call `Runtime::shutdown_timeout` or `shutdown_background`.
//!
//! # Tasks that are driven inside a scope
//!
//! `runtime.block_on(…)` of a runtime with one thread, and `LocalSet::run_until`, poll other tasks as well. With this feature a
//! scope is that of the task (or the thread) in which it is entered: tasks that were plainly spawned see nothing of a scope that
//! they are polled in, nor does the scope wait for their shields.
//!
//! # Time
//!
//! Deadlines of scopes need nothing from tokio, not even its time driver. Where tokio's clock is paused they follow that clock,
//! as [`sleep`](crate::sleep()) does: a moment for [`Scope::deadline`](crate::Scope::deadline) then comes from
//! `tokio::time::Instant::now().into_std()`. [`cancel_after`](crate::CancellationToken::cancel_after) of a token goes by real
//! time always.

use std::future::Future;

use tokio::task::{self, JoinHandle};

use crate::context::propagate_apart;
use crate::scope::{self, CancelFutureExt as _, Spawn, SpawnBlocking, SpawnLocal};

/// Spawns a task that has the ambient token of this code.
///
/// The scope does not wait for it. Once the scope is cancelled, dropped or over, the task's check points fail. To wait for the
/// tasks of a scope, start them in a [`TaskGroup`].
///
/// Plain `tokio::spawn` in its place loses the scope: the task's check points never fail. That is right for a task that is to go
/// on when the scope is over.
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
/// Plain `tokio::task::spawn_blocking` in its place loses the scope: no check point in the closure ever fails.
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
    task::spawn_blocking(propagate_apart(f))
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

/// Tasks stay on this thread: in a `LocalSet`, or a `LocalRuntime`.
impl SpawnLocal for Tokio {
    fn spawn_local<F>(&self, task: F)
    where
        F: Future<Output = ()> + 'static,
    {
        task::spawn_local(task);
    }
}

/// Tasks of tokio that belong together: a `JoinSet` whose tasks inherit the scope and fail together.
///
/// It is the general [`cancelable::TaskGroup`](crate::TaskGroup) with its runtime filled in; its methods are on that page. In a
/// program with tokio, import this one: `use cancelable::tokio::TaskGroup`.
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
pub type TaskGroup<T, E> = scope::TaskGroup<T, E, Tokio>;

/// Starts tasks in a [`TaskGroup`] from elsewhere. See [`Spawner`](crate::Spawner).
pub type Spawner<T, E> = scope::Spawner<T, E, Tokio>;

/// Owns tasks of tokio that live long: a `TaskTracker` that cancels, drains and reports.
///
/// It is the general [`cancelable::TaskOwner`](crate::TaskOwner) with its runtime filled in; its methods are on that page. In a
/// program with tokio, import this one: `use cancelable::tokio::TaskOwner`.
///
/// ```
/// use cancelable::{sleep, tokio::TaskOwner};
/// use std::time::Duration;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let tasks = TaskOwner::new();
/// tasks.spawn(async { sleep(Duration::from_secs(3600)).await });
/// let report = tasks.cancel_and_wait(Duration::from_secs(1)).await;
/// assert!(report.is_clean());
/// # });
/// ```
pub type TaskOwner = scope::TaskOwner<Tokio>;
