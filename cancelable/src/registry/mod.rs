//! What runs: the scopes that have a name, what each of them passed last and waits for, and those that have ended. Feature `registry`.
//!
//! It answers "what is this program doing?" and "which task ignores the cancel?" from outside: from a signal handler's thread, an HTTP
//! route, a test. Scopes say what they do in words of memory, and who asks reads these. It polls nothing and waits for nobody, so it
//! also answers when every thread of a runtime is stuck.
//!
//! - [`snapshot`]: all that run, as a tree. [`find`]: those of one name.
//! - [`cancel`], [`cancel_with`]: ends one.
//! - [`stragglers`]: those that were cancelled some time ago and have not ended, and what they wait for.
//! - [`history`]: the last that ended, how, and why.
//! - [`on_event`]: a hook for all that happens.
//!
//! All of these can be printed with `{}`, and be serialized with serde.
//!
//! ```
//! use cancelable::{Cancelled, cancel_scope, check, registry};
//!
//! let served: Result<(), Cancelled> = cancel_scope!(name = "serve", {
//!     cancel_scope!(name = "GET /orders/7", {
//!         println!("{}", registry::snapshot());
//!         # let text = registry::snapshot().to_string();
//!         # assert!(text.contains("serve") && text.contains("└─ GET /orders/7"), "{text}");
//!         check()
//!     })
//! });
//! served.unwrap();
//! ```
//! ```text
//! serve            #1  runs on main, began 1.2ms ago, last passed src/main.rs:3:49 1.2ms ago
//! └─ GET /orders/7 #2  runs on main, began 1.2ms ago, last passed src/main.rs:4:45 1.2ms ago
//! ```
//!
//! # What it knows
//!
//! Scopes with a name, and no others: `cancel_scope!(name = …)`, `#[cancelable(name = …)]`, [`Scope::name`](crate::Scope::name), and the
//! named tasks of an owner. A check point belongs to the innermost of them; so do those of tasks and threads that were started in it with
//! `spawn` of this library, unless they have a named scope of their own.
//!
//! A check point that is passed is the entry of an annotated function, an await, or the beginning of a `for`; the iterations of loops,
//! and `check()`, say nothing, for they would be several times as slow. (They do where they have to look closer anyway.) It is told with
//! its time, to ten milliseconds.
//!
//! # What it costs
//!
//! An await stores two words: some three nanoseconds. A scope without a name costs a few nanoseconds. One with a name costs some 125 to
//! 160 more than without the feature: it is put into a table and taken out, and reads the clock once more if it was pending. A
//! thread of the library, `cancelable-observer`, writes the time down while check points are passed, and sleeps otherwise. The measurements
//! are in the guide's page on observing.

mod draw;
mod list;
mod read;

pub use list::{Cancel, EndedScope, History, LiveScope, PassedPoint, Progress, Snapshot, State, Straggler, Stragglers};
pub use read::{cancel, cancel_with, find, history, set_history_limit, snapshot, stragglers};

pub use crate::live::WaitsFor;
pub use crate::observe::{Event, EventKind, Hook, Outcome, on_event};
