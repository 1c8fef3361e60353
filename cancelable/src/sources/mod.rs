//! What may cancel a scope, besides tokens and futures: conditions, deadlines that move, signals, and combinations. Users of the port in
//! `scope/source.rs`; no scope knows of them.

mod combine;
mod condition;
mod deadline;
mod memory;
mod output;
#[cfg(feature = "signal")]
pub mod signal;

pub use combine::{All, Any, Sources, all, any};
pub use condition::{Condition, condition};
pub use deadline::Deadline;
pub use memory::memory_above;
pub use output::{OnOutput, on_output};
