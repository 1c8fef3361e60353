//! What may cancel a scope, besides tokens and futures: conditions, signals, and combinations. Users of the port in
//! `scope/source.rs`; no scope knows of them.

mod combine;
mod condition;
mod memory;
mod output;
#[cfg(feature = "signal")]
pub mod signal;

pub use combine::{All, Any, Sources, all, any};
pub use condition::{Condition, condition};
pub use memory::memory_above;
pub use output::{OnOutput, on_output};
