//! Task groups: tasks (and threads) that belong together, and that nobody leaves behind.
//!
//! One algorithm, told in `shared.rs`, for tasks of any runtime and for threads. How a task is started is the runtime's
//! business ([`Spawn`]); how its owner waits is that of the two doors, [`TaskGroup`] here and the one in
//! `adapters/thread.rs`.

mod outcome;
mod shared;
mod spawn;
mod task;
mod tasks;

pub use outcome::{TaskError, TaskPanic};
pub(crate) use shared::Shared;
pub use spawn::{Spawn, SpawnBlocking, SpawnLocal};
pub(crate) use task::run_blocking;
pub use tasks::{Spawner, TaskGroup};
