//! Owners of tasks: groups that live as long as a server.
//!
//! A [`TaskGroup`](super::group::TaskGroup) is made for fork and join: its results are kept for the owner. A [`TaskOwner`] keeps
//! nothing of a task that has ended, and is made to be drained.
//!
//! In order of reading: [`queue`] and [`seats`] limit how many run; [`info`] says which task it is; [`report`] says how a drain
//! went; [`roster`] is the list of those that live, in [`slots`]; [`abort`] stops one of them; [`answer`] is the way of one
//! result to whoever asked for it; [`task`] is what a runtime runs; [`tasks`] is the door.

mod abort;
mod answer;
mod info;
mod queue;
mod report;
mod roster;
mod seats;
mod slots;
mod task;
mod tasks;

pub use abort::AbortHandle;
pub use answer::TaskHandle;
pub use info::{TaskId, TaskInfo};
pub use report::DrainReport;
pub use tasks::{Place, TaskOwner, TaskOwnerBuilder};
