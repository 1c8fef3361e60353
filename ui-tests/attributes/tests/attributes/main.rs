//! `#[cancelable]` together with other people's attributes: what happens in either order. `docs/other-attributes.md` has the
//! table, and the reasons.
//!
//! Each function cancels its own token in its fourth turn, so a loop that is checked ends with an error, and one that is not
//! checked gets to its end. In `told`, the order is the wrong one, and the compiler says so: the `expect` is fulfilled.

#![deny(warnings)]

mod async_backtrace;
mod async_recursion;
mod async_trait;
mod auto_enums;
mod bon;
mod cached;
mod contracts;
mod culpa;
mod fastrace;
mod maybe_async;
mod memoize;
mod rstest;
mod test_case;
mod tracing;
mod trait_variant;
mod utoipa;

use ::cancelable::CancellationToken;

/// A turn; the fourth cancels the token.
fn turn(n: u32) {
    if n == 3 {
        cancelable::current().cancel();
    }
}

/// What a turn waits for, and the token is cancelled in the fourth.
async fn wait(n: u32) -> u32 {
    turn(n);
    n
}

/// Runs the function under a token of its own.
fn run<R>(function: impl FnOnce() -> R) -> R {
    CancellationToken::new().sync_scope(function)
}

fn run_async<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(CancellationToken::new().scope(future))
}
