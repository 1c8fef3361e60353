#![doc = include_str!("../../README.md")]
#![deny(unsafe_code)]

mod cause;
mod clock;
mod error;
mod primitive;
mod reason;
mod timer;
mod token;

pub use error::{Cancelled, FromCancelled};
pub use reason::{CancelReason, ReasonKind};
pub use token::{
    CancelCallback, CancellationToken, DropGuard, DropGuardRef, WaitForCancellationFuture,
    WaitForCancellationFutureOwned,
};
