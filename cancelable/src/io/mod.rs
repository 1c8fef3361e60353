//! Readers and writers that check: for code of others that takes a `Read` or a `Write`, and has no check points.
//!
//! A parser, a decompressor, `std::io::copy` call the reader again and again. Put [`checked`] round the reader, and each call asks the
//! ambient token first:
//!
//! ```
//! use cancelable::{Cancelled, cancelable, io::checked};
//! use std::io;
//!
//! #[cancelable(timeout = "5ms")]
//! fn count(source: impl io::Read) -> io::Result<u64> {
//!     io::copy(&mut checked(source), &mut io::sink())
//! }
//!
//! let error = count(io::repeat(0)).unwrap_err();
//! assert_eq!(error.kind(), io::ErrorKind::TimedOut);
//! assert!(error.get_ref().unwrap().downcast_ref::<Cancelled>().unwrap().is_timeout());
//! ```
//!
//! A call that blocks is not interrupted: see [`thread`](crate::thread) for what is. The same for async code, where a pending call *is*
//! ended:
#![cfg_attr(
    any(feature = "tokio", feature = "smol"),
    doc = "[`checked_async`], for the traits of tokio and of futures (smol)."
)]
#![cfg_attr(
    not(any(feature = "tokio", feature = "smol")),
    doc = "`checked_async`, with the feature `tokio` or `smol`."
)]
//!
//! In annotated code neither is needed. Its loops check, and so do its awaits.

mod blocking;
#[cfg(any(feature = "tokio", feature = "smol"))]
mod nonblocking;
#[cfg(feature = "smol")]
mod smol;
#[cfg(feature = "tokio")]
mod tokio;

pub use blocking::{Checked, checked};
#[cfg(any(feature = "tokio", feature = "smol"))]
pub use nonblocking::{CheckedAsync, checked_async};
