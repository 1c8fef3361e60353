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

mod duration;
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

#[doc(hidden)]
#[path = "macro_support.rs"]
pub mod __private;

mod items;
pub mod prelude;

#[cfg(all(any(doc, doctest), feature = "tokio", feature = "signal", feature = "testing"))]
pub mod _guide;

pub use items::*;

#[cfg(feature = "smol")]
pub use adapters::smol;
pub use adapters::thread;
#[cfg(feature = "tokio")]
pub use adapters::tokio;
#[cfg(feature = "signal")]
pub use sources::signal;
