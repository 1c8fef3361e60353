//! What expansions may name, and nobody else. Not covered by semantic versioning: the two crates are pinned to each other.

use std::future::Future;

pub use core::option::Option::{self, None, Some};
pub use core::result::Result::{self, Err, Ok};

pub use crate::context::{check, current};
pub use crate::error::{Cancelled, FromCancelled};
pub use crate::guard::{finish, guard};
pub use crate::scope::{Scope, shield, shield_sync, shield_sync_timeout};
pub use crate::token::CancellationToken;

/// The value that a cancelled function returns.
#[cold]
pub fn from_cancelled<R: FromCancelled>(cancelled: Cancelled) -> R {
    R::from_cancelled(cancelled)
}

/// Called with the return type, spanned there, so that rustc blames the type and not the attribute.
pub const fn assert_from_cancelled<R: FromCancelled>() {}

/// Runs the body of a function that has a scope of its own and says with `or = …` what to return when cancelled.
#[track_caller]
pub fn run_or<F, R>(scope: Scope, body: F, or: impl FnOnce(Cancelled) -> R) -> impl Future<Output = R>
where
    F: Future<Output = Result<R, Cancelled>>,
{
    let run = scope.run(body);
    async move { run.await.unwrap_or_else(or) }
}

/// As [`run_or`], for sync functions.
#[track_caller]
pub fn run_sync_or<R>(
    scope: Scope,
    body: impl FnOnce() -> Result<R, Cancelled>,
    or: impl FnOnce(Cancelled) -> R,
) -> R {
    scope.run_sync(body).unwrap_or_else(or)
}

/// What `token = …` takes: a token, or a reference to one.
#[diagnostic::on_unimplemented(
    message = "`token = …` wants a `CancellationToken` or a reference to one, not `{Self}`",
    label = "not a token"
)]
pub trait IntoToken {
    /// A handle on the token.
    fn into_token(self) -> CancellationToken;
}

impl IntoToken for CancellationToken {
    fn into_token(self) -> CancellationToken {
        self
    }
}

impl IntoToken for &CancellationToken {
    fn into_token(self) -> CancellationToken {
        self.clone()
    }
}

/// The token to link a function's scope to.
pub fn link_target(token: impl IntoToken) -> CancellationToken {
    token.into_token()
}
