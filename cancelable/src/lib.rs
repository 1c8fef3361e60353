//! Code that stops when it is asked to: async functions, blocking workers and plain threads, with one attribute.
//!
//! A *scope* is a stretch of code that can be cancelled: by a time limit, a signal, a parent, or whoever has its token. In a scope
//! that token is *ambient*: check points ask it, without a parameter. [`#[cancelable]`](macro@cancelable) puts check points into a
//! function, at its entry, at every `.await` and at every iteration of a loop. If the token is cancelled, a check point returns
//! [`Cancelled`], an error that passes up through `?`, and that knows why, which line asked for it, and which line noticed.
//!
//! ```
//! use cancelable::{Cancelled, cancel_scope, cancelable};
//!
//! #[cancelable]                                        // listens, at each iteration
//! fn count_primes(to: u64) -> Result<u64, Cancelled> {
//!     let mut found = 0;
//!     for n in 2..to {
//!         found += u64::from((2..n).all(|d| n % d != 0));
//!     }
//!     Ok(found)
//! }
//!
//! // A scope cancels: here after 20 ms.
//! let found = cancel_scope!(timeout = "20ms", name = "primes", { count_primes(u64::MAX) });
//! let cancelled = found.unwrap_err();
//! assert!(cancelled.is_timeout());
//! println!("{cancelled}");
//! // cancelled: timed out after 20ms (scope "primes"), requested at src/main.rs:13:38, noticed at src/main.rs:6:5
//! ```
//!
//! **The attribute listens, a scope cancels.** Without a scope somewhere round it, an annotated function runs as if it were not
//! annotated.
//!
//! # Contents
//!
//! - [What is where](#what-is-where)
//! - [Starting tasks and threads](#starting-tasks-and-threads)
//! - [Features](#features)
//! - [No glob imports](#no-glob-imports)
#![cfg_attr(
    all(
        feature = "tokio",
        feature = "signal",
        feature = "net",
        feature = "process",
        feature = "rayon",
        feature = "testing",
        any(unix, windows)
    ),
    doc = "- The guide: [getting started](_guide::getting_started), [concepts](_guide::concepts), \
           [clean-up](_guide::clean_up), [what is not cancelled](_guide::not_cancelled), and [all other pages](_guide)"
)]
//!
//! # What is where
//!
//! | to … | take |
//! |---|---|
//! | put check points into a function, or an `impl` | [`#[cancelable]`](macro@cancelable) |
//! | open a scope | [`cancel_scope!`], `#[cancelable(scope)]`, or [`Scope`] without macros |
//! | cancel from anywhere | [`CancellationToken`] |
//! | end what does not get on | [`progress`], [`Scope::idle_timeout`] |
//! | say how far the work has got, and read it | [`progress`], [`progress_message`], [`Progress`], [`Scope::weight`], `cancelable::indicatif` |
//! | put a deadline off | [`Deadline`] |
//! | cancel by a signal, a condition, a future | [`Scope::until`] with a [`Source`]: `signal`, [`condition`], [`memory_above`], [`on_output`], [`any`], [`all`] |
//! | check by hand | [`check`], [`checkpoint`], [`guard`] |
//! | leave a comparator, or what else cannot fail | [`unwinding`], [`check_unwinding`] |
//! | take a scope to code that somebody else calls | [`Context`], [`propagate`], [`propagate_fn`] |
//! | have what there was beside the error | [`Scope::partial`], [`Partial`] |
//! | have the best so far, and no error | [`Scope::run_anyway_sync`], [`Scope::run_anyway`] |
//! | keep clean-up from being cancelled | [`shield!`], [`fn@shield`], [`shield_sync`] |
//! | run several futures, and end the others in good order | [`race!`], [`try_join!`] |
//! | run several tasks, and stop all with the first error | `cancelable::tokio::TaskGroup`, [`thread::TaskGroup`], [`thread::scope`](fn@thread::scope) |
//! | own tasks that live long, and drain them | `cancelable::tokio::TaskOwner` |
//! | wait on a plain thread | [`thread::block_on`], [`blocking_sleep`], [`CancellationToken::wait`] |
//! | run a child process | `cancelable::process::tree` |
//! | make a call that nobody can interrupt | [`thread::abandon`] |
//! | have readers and writers check | [`io::checked`], `io::checked_async` |
//! | accept connections on a plain thread | `cancelable::net::incoming` |
//! | end a stream or an iterator | [`StreamExt`], [`IteratorExt`] |
//! | see what runs, and what ignores a cancel | `cancelable::registry` |
//! | know why | [`Cancelled`], [`CancelReason`], [`ReasonKind`] |
//! | answer a client, or exit | [`CancelReason::status`], [`StatusTable`] |
//! | have a return type of your own | [`FromCancelled`] |
//!
//! # Starting tasks and threads
//!
//! A task or a thread has its own ambient token. Those started by [`thread::spawn`], `cancelable::tokio::spawn`,
//! `cancelable::tokio::spawn_blocking` and the functions of `cancelable::smol` inherit that of their creator, and so do those of a
//! group, of [`thread::scope`](fn@thread::scope) and of `cancelable::rayon`. Plain `std::thread::spawn`, `tokio::spawn` and
//! `spawn_blocking` lose it: what they run is cancelled by nobody. Code that somebody else starts (a thread pool, a callback) takes
//! it along by a [`Context`], or wrapped in [`propagate`] or [`propagate_fn`].
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `tokio` | `cancelable::tokio`; time limits follow a paused clock |
//! | `smol` | `cancelable::smol` |
//! | `signal` | `cancelable::signal`: Ctrl-C and unix signals as sources |
//! | `process` | `cancelable::process`: child processes that end with their scope, and all their descendants with them |
//! | `net` | `cancelable::net`: accept loops of the standard library's listeners |
//! | `enough` | a token is the `Stop` that codecs written for the crate `enough` ask |
//! | `testing` | `cancelable::testing`: cancel at every check point in turn, a clock that tests move |
//! | `rayon` | `cancelable::rayon`: jobs that have the scope, and parallel iterators that stop |
//! | `indicatif` | `cancelable::indicatif`: progress bars of scopes, in one line |
//! | `tracing` | a span for each named scope, and events when one is cancelled |
//! | `registry` | `cancelable::registry`: which named scopes run, what they wait for, and how the last ones ended |
//! | `tokio-util` | conversions between [`CancellationToken`] and that of tokio-util |
//! | `serde` | for [`ReasonKind`], and for the kind and message of a [`CancelReason`] |
//!
//! None is on by default. The library needs Rust 1.85.
//!
//! # No glob imports
//!
//! `use cancelable::*` also imports the modules `tokio`, `smol`, `rayon`, `indicatif` and `thread`, which then stand in the way of the crates of these names.
//! [`use cancelable::prelude::*`](prelude) imports everything else.
#![deny(unsafe_code)]
#![deny(missing_docs)]
// On docs.rs, items say which feature they need.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod macros;

mod primitive;

mod unwind;

mod pending;
mod trampoline;

#[allow(unsafe_code, reason = "registers with the system's `fork`")]
mod fork;

mod crew;

mod clock;
mod meter;
mod park;
mod runtime;
mod timer;

mod delay;

mod counted;
mod starved;

mod duration;
mod reason;
mod shown;

mod check_point;
mod path;
mod status;
mod story;

mod rounds;

mod cause;
mod error;
mod observe;

mod here;
mod partial;

mod token;

mod context;

mod live;

mod unwinding;

mod guard;

mod watcher;

mod scope;

mod iter;
mod sources;
mod stream;

mod adapters;

pub mod io;
#[cfg(all(feature = "net", any(unix, windows)))]
pub mod net;
#[cfg(all(feature = "process", any(unix, windows)))]
pub mod process;

#[cfg(feature = "registry")]
pub mod registry;

#[cfg(feature = "testing")]
pub mod testing;

mod loops;
mod site;
mod stretch;

#[doc(hidden)]
#[path = "macro_support.rs"]
pub mod __private;

mod items;
pub mod prelude;

#[cfg(all(
    any(doc, doctest),
    any(unix, windows),
    feature = "tokio",
    feature = "signal",
    feature = "net",
    feature = "process",
    feature = "rayon",
    feature = "testing"
))]
pub mod _guide;

/// The README, whose examples are tests.
#[cfg(all(doctest, feature = "tokio", feature = "signal"))]
#[doc = include_str!("../README.md")]
mod readme {}

pub use items::*;

#[cfg(feature = "indicatif")]
pub use adapters::indicatif;
#[cfg(feature = "rayon")]
pub use adapters::rayon;
#[cfg(feature = "smol")]
pub use adapters::smol;
pub use adapters::thread;
#[cfg(feature = "tokio")]
pub use adapters::tokio;
#[cfg(feature = "signal")]
pub use sources::signal;
