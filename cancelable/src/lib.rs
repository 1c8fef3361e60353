// The README, whose example needs the feature `tokio`, is the front page of the documentation.
#![cfg_attr(feature = "tokio", doc = include_str!("../../README.md"))]
#![cfg_attr(
    not(feature = "tokio"),
    doc = "Cancellation for async and sync Rust. (Build with the feature `tokio` for the front page.)"
)]
#![deny(unsafe_code)]

mod macros;

mod primitive;

mod unwind;

mod trampoline;

mod crew;
#[allow(unsafe_code, reason = "registers with the system's `fork`")]
mod fork;

mod clock;
mod park;
mod runtime;
mod timer;

mod delay;

mod starved;

mod reason;

mod rounds;

mod cause;
mod error;

mod token;

mod context;

mod guard;

mod scope;
mod watcher;

mod iter;
mod sources;
mod stream;

mod adapters;

#[cfg(feature = "testing")]
pub mod testing;

mod loops;
mod site;
mod stretch;

#[doc(hidden)]
#[path = "macro_support.rs"]
pub mod __private;

/// The pages in `docs/`, whose examples are tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/loops.md")]
    struct Loops;
}

/// Makes a function cancellable: it checks the ambient token at its entry, at every `.await` and at every iteration of every
/// loop, and returns early with [`Cancelled`] when that is cancelled.
///
/// Nothing changes for its callers: no token in the signature, the same types, the same values. Without an ambient token
/// the function runs as if it were not annotated.
pub use cancelable_macros::cancelable;

#[cfg(feature = "smol")]
pub use adapters::smol;
pub use adapters::thread;
#[cfg(feature = "tokio")]
pub use adapters::tokio;
pub use context::{check, current, is_cancelled, propagate, propagate_fn, remaining};
pub use error::{Cancelled, FromCancelled};
pub use guard::{Checkpoint, Guard, checkpoint, guard};
pub use iter::{IteratorExt, UntilCancelledIter};
pub use reason::{CancelReason, ReasonKind};
pub use scope::{
    CancelFutureExt, IntoRace, IntoTryJoin, Race, Scope, Scoped, Shield, ShieldWithTimeout, Source, Spawn,
    SpawnBlocking, Spawner, TaskError, TaskGroup, TaskPanic, TryJoin, WithCancellation, blocking_sleep, race, shield,
    shield_sync, sleep, try_join,
};
#[cfg(feature = "signal")]
pub use sources::signal;
pub use sources::{All, Any, Condition, Sources, all, any, condition};
pub use stream::{Chunked, StreamEnd, StreamExt, UntilCancelled};
pub use token::{
    CancelCallback, CancellationToken, DropGuard, DropGuardRef, WaitForCancellationFuture,
    WaitForCancellationFutureOwned, WithCancellationTokenFuture, WithCancellationTokenFutureOwned,
};
