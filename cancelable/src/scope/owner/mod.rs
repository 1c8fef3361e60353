//! Owners of tasks: groups that live as long as a server.
//!
//! A [`TaskGroup`](super::group::TaskGroup) is made for fork and join: its results are kept for the owner. A [`TaskOwner`] keeps
//! nothing of a task that has ended, and is made to be drained.
//!
//! In order of reading: [`queue`] and [`seats`] limit how many run; [`entry`] is one task as others see it; [`roster`] is the
//! list of those that live; [`answer`] is the way of one result to whoever asked for it; [`task`] is what a runtime runs;
//! [`report`] says how a drain went; [`tasks`] is the door.

mod answer;
mod entry;
mod queue;
mod report;
mod roster;
mod seats;
mod task;
mod tasks;

pub use answer::TaskHandle;
pub use entry::{AbortHandle, TaskId, TaskInfo};
pub use report::DrainReport;
pub use tasks::{Place, TaskOwner, TaskOwnerBuilder};
