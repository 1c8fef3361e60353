//! Progress: what code says of how far it has got, and who hears of it.
//!
//! `progress(…)` looks for listeners at the tokens above (`tell.rs`): idle timeouts, and the nearest *node*. A scope has a node if it was
//! given a handle or a weight. A node knows what was said in it, how much of it lies with the nodes below, and how fast it gets on; each
//! change of it is handed up to the node above.

mod handle;
mod info;
mod listeners;
mod node;
mod rate;
mod tell;
mod timeline;
mod tracked;
mod updates;

pub use handle::Progress;
pub use info::{ProgressInfo, ProgressState};
pub(super) use listeners::Listener;
pub use tell::{progress, progress_message};
pub(super) use timeline::Timeline;
pub(super) use tracked::Tracked;
pub use updates::ProgressUpdates;
