//! The token: a tree of nodes, a reason set once, and everyone who is to be notified.
//!
//! What holds when `cancel` returns: the token and all its descendants, and all that is linked to any of them, read as
//! cancelled, on every thread that learns of it; whoever was registered has been notified, each once; callbacks have run.
//! `PROTOCOL.md`, beside this file, has the rules that the unsafe code in `tree/` and `waiters.rs` relies on.

#[allow(unsafe_code, reason = "the intrusive lists; see PROTOCOL.md")]
mod waiters;

mod deadline;
mod lock;
mod state;

#[allow(unsafe_code, reason = "the tree; see PROTOCOL.md")]
mod tree;

mod notify;

mod expiry;

mod effective;
mod watch;

mod handle;

mod kept;
pub(crate) mod pulse;
mod timeout;

#[allow(unsafe_code, reason = "promises the lists what they rely on; see PROTOCOL.md")]
mod registered;

#[allow(unsafe_code, reason = "promises the lists what they rely on; see PROTOCOL.md")]
mod callback;

mod combine;
mod drop_guard;
mod wait;

mod run_until;

#[cfg(test)]
mod tests;

pub use callback::CancelCallback;
pub(crate) use deadline::Deadline;
pub use drop_guard::{DropGuard, DropGuardRef};
pub use handle::CancellationToken;
pub(crate) use handle::{ChildOptions, StateRef};
#[cfg(feature = "tokio-util")]
pub(crate) use kept::WeakToken;
pub(crate) use registered::Registered;
pub use run_until::{WithCancellationTokenFuture, WithCancellationTokenFutureOwned};
pub use wait::{WaitForCancellationFuture, WaitForCancellationFutureOwned};
