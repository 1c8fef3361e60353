#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod call;
mod exceptions;
mod failure;
mod timeout;
mod token;
mod wait;

pub use call::run;
pub use exceptions::add_exceptions;
pub use failure::Failure;
pub use timeout::Timeout;
pub use token::Token;
pub use wait::{beside, block_on};

/// The guide's page.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/python.md")]
mod guide {}
