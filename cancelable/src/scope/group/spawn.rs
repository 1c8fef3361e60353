//! What a group asks of a runtime.

use std::future::Future;

/// A runtime that starts tasks. Implement it to have a [`TaskGroup`](crate::TaskGroup) on a runtime that this library
/// does not know.
///
/// ```
/// use cancelable::{Cancelled, Spawn, TaskGroup};
/// use futures::{executor::{LocalPool, LocalSpawner}, task::SpawnExt as _};
///
/// #[derive(Clone)]
/// struct Local(LocalSpawner);
///
/// impl Spawn for Local {
///     fn spawn<F: Future<Output = ()> + Send + 'static>(&self, task: F) {
///         self.0.spawn(task).expect("the pool is there");
///     }
/// }
///
/// let mut pool = LocalPool::new();
/// let mut group = TaskGroup::<_, Cancelled, _>::on(Local(pool.spawner()));
/// group.spawn(async { Ok(1) });
/// group.spawn(async { Ok(2) });
/// assert_eq!(pool.run_until(group.join()).unwrap(), [1, 2]);
/// ```
pub trait Spawn {
    /// Starts a task, and lets go of it: the group learns of its end from the task itself. A runtime that drops it
    /// unfinished ends it, too.
    fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static;
}

/// A runtime that has threads for blocking work.
pub trait SpawnBlocking: Spawn {
    /// Starts a closure that may block its thread.
    fn spawn_blocking<F>(&self, task: F)
    where
        F: FnOnce() + Send + 'static;
}

/// A runtime that starts tasks on the thread of the one who spawns them, where they stay: they need not be `Send`. tokio's
/// `LocalSet` and `LocalRuntime`, and all runtimes that keep a thread for each core.
///
/// ```
/// use cancelable::{SpawnLocal, TaskOwner};
/// use futures::{executor::{LocalPool, LocalSpawner}, task::LocalSpawnExt as _};
/// use std::rc::Rc;
///
/// #[derive(Clone)]
/// struct Local(LocalSpawner);
///
/// impl SpawnLocal for Local {
///     fn spawn_local<F: Future<Output = ()> + 'static>(&self, task: F) {
///         self.0.spawn_local(task).expect("the pool is there");
///     }
/// }
///
/// let mut pool = LocalPool::new();
/// let tasks = TaskOwner::on(Local(pool.spawner()));
/// let here = Rc::new(7);
/// let task = tasks.spawn_local(async move { *here });
/// assert_eq!(pool.run_until(task).unwrap(), 7);
/// ```
///
/// compio in three lines: `compio::runtime::spawn(task).detach()` is the body of `spawn_local`.
pub trait SpawnLocal {
    /// Starts a task, and lets go of it, as [`Spawn::spawn`] does.
    fn spawn_local<F>(&self, task: F)
    where
        F: Future<Output = ()> + 'static;
}
