//! What expansions may name, and nobody else. Not covered by semantic versioning: the two crates are pinned to each other.

pub use core::iter::IntoIterator;
pub use core::ops::ControlFlow;
pub use core::option::Option;
pub use core::pin::pin;
pub use core::result::Result;
pub use core::time::Duration;

pub use cancelable_macros::{
    cancel_scope as cancel_scope_impl, race as race_impl, shield as shield_impl, try_join as try_join_impl,
};

pub use crate::context::current;
pub use crate::error::{Cancelled, FromCancelled};
pub use crate::here::Given;
pub use crate::loops::{Probe, Turns};
pub use crate::scope::{Lent, Run, Scope, race, shield, shield_sync, try_join};
pub use crate::site::{Either, GaveUp, Site, linked, token_parameter};
pub use crate::stretch::Stretch;
pub use crate::token::CancellationToken;

/// The value that a cancelled function returns.
#[cold]
pub fn from_cancelled<R: FromCancelled>(cancelled: Cancelled) -> R {
    R::from_cancelled(cancelled)
}
