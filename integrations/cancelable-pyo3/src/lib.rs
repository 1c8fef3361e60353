#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod call;
mod exceptions;
mod failure;
mod timeout;
mod token;

pub use call::run;
pub use exceptions::add_exceptions;
pub use failure::Failure;
pub use timeout::Timeout;
pub use token::Token;

/// The guide's page.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/python.md")]
mod guide {}
