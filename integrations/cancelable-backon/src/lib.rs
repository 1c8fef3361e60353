#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod error;
mod retry;

pub use error::RetryError;
pub use retry::{Retry, retry};
