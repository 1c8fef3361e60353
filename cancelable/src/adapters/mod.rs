//! Other people's threads and runtimes.

pub mod thread;
#[cfg(feature = "tokio")]
pub mod tokio;
