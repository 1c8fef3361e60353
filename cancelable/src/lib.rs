#![doc = include_str!("../../README.md")]
#![deny(unsafe_code)]

mod primitive;

mod clock;
mod timer;

mod reason;

mod cause;
mod error;

mod token;

mod context;

mod guard;

mod delay;
mod scope;

mod adapters;

#[doc(hidden)]
#[path = "macro_support.rs"]
pub mod __private;

pub use adapters::thread;
#[cfg(feature = "tokio")]
pub use adapters::tokio;
pub use context::{check, current, is_cancelled, propagate, remaining};
pub use error::{Cancelled, FromCancelled};
pub use guard::{Guard, guard};
pub use reason::{CancelReason, ReasonKind};
pub use scope::{
    CancelFutureExt, Scope, Scoped, Shield, ShieldWithTimeout, WithCancellation, blocking_sleep, shield, shield_sync, sleep,
};
pub use token::{
    CancelCallback, CancellationToken, DropGuard, DropGuardRef, WaitForCancellationFuture, WaitForCancellationFutureOwned,
};
