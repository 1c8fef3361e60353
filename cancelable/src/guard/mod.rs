//! One suspension point: what an annotated `.await` becomes.
//!
//! Bias: the future first, then the token. What is dropped when: a pending future, on the poll that finds the token
//! cancelled, unless something inside must be let out first (`verdict.rs`).

mod await_guard;
mod checkpoint;
mod finish;
#[allow(unsafe_code, reason = "a tagged pointer; see the head of the file")]
mod stage;
mod verdict;

pub(crate) use await_guard::guard_here;
pub use await_guard::{Guard, guard};
pub use checkpoint::{Checkpoint, checkpoint};
pub(crate) use checkpoint::{GiveWayFirst, give_way_first};
pub(crate) use finish::{Finish, Hold, finish};
pub(crate) use verdict::{Before, Waits};

#[cfg(all(test, cancelable_loom))]
#[path = "tests/loom.rs"]
mod loom;
