//! Other people's threads and runtimes.

mod abandon;
#[cfg(feature = "enough")]
mod enough;
#[cfg(feature = "indicatif")]
pub mod indicatif;
#[cfg(feature = "rayon")]
pub mod rayon;
#[cfg(feature = "smol")]
pub mod smol;
pub mod thread;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg(feature = "tokio-util")]
mod tokio_util;
