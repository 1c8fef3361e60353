//! Tests of cancellation, without sleeps and without luck. Feature `testing`.
//!
//! Code that can be cancelled has an exit at every check point, and a test that cancels it "in the middle" tries one of
//! them. This module tries them all:
//!
//! - [`inject`] (and [`inject_sync`]) runs code again and again, cancels it at its first check point, at its second, and
//!   so on to the last, and when it is suspended for the first time, for the second, and asks each time whether an
//!   invariant of yours holds. If it does not, the panic says where the cancel hit, and how to repeat just that run.
//! - [`assert_cancelled_within`] checks that a future that waits is woken by a cancel and is done soon.
//! - [`Clock`] is a clock that you move; time in an injected run passes by itself, as fast as it can.
//! - [`CountingWaker`] counts wake-ups.
//! - [`stretches`] measures how long code runs from one check point to the next, and so finds those that are not there.
//!
//! ```should_panic
//! use cancelable::{Cancelled, check, guard, testing};
//! use std::cell::Cell;
//!
//! async fn transfer(from: &Cell<i32>, to: &Cell<i32>) -> Result<(), Cancelled> {
//!     from.set(from.get() - 10);
//!     guard(async { /* tell the audit log */ }).await?; // oops: cancelled here, the money is gone
//!     to.set(to.get() + 10);
//!     Ok(())
//! }
//!
//! // panics: "… cancelled at check point 1, src/…"
//! testing::inject(async || {
//!     let (from, to) = (Cell::new(100), Cell::new(0));
//!     let result = transfer(&from, &to).await;
//!     (result, from.get() + to.get())
//! })
//! .assert(|outcome| assert_eq!(outcome.1, 100));
//! ```
//!
//! The feature costs nothing at check points, and a thread-local read where a scope is polled; it belongs in
//! `[dev-dependencies]` all the same.

mod inject;
mod moment;
mod plan;
mod prompt;
mod run;
pub mod stretches;
mod waker;

pub use crate::clock::hand::{Clock, InClock};
pub use inject::{Inject, InjectSync, inject, inject_sync};
pub use moment::Moment;
pub use plan::Outcome;
pub use prompt::assert_cancelled_within;
pub use run::Injected;
pub use waker::CountingWaker;
