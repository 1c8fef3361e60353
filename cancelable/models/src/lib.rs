//! The sources of the token core, as they are in `cancelable`, with loom inside (`primitive.rs`).

#![deny(unsafe_code)]

#[path = "../../src/cause.rs"]
mod cause;
#[path = "../../src/check_point.rs"]
mod check_point;
#[path = "../../src/clock.rs"]
mod clock;
#[path = "../../src/context/mod.rs"]
mod context;
#[path = "../../src/counted.rs"]
mod counted;
#[path = "../../src/crew/mod.rs"]
mod crew;
#[path = "../../src/error.rs"]
mod error;
#[cfg(test)]
mod explore;
#[allow(unsafe_code)]
#[path = "../../src/fork.rs"]
mod fork;
#[path = "../../src/guard/mod.rs"]
mod guard;
#[path = "../../src/here.rs"]
mod here;
#[path = "../../src/meter.rs"]
mod meter;
#[path = "../../src/observe/mod.rs"]
mod observe;
#[path = "../../src/path.rs"]
mod path;
#[path = "../../src/pending.rs"]
mod pending;
#[path = "../../src/primitive.rs"]
mod primitive;
#[path = "../../src/reason.rs"]
mod reason;
#[path = "../../src/rounds.rs"]
mod rounds;
#[path = "../../src/runtime.rs"]
mod runtime;
#[path = "../../src/shown.rs"]
mod shown;
#[path = "../../src/starved.rs"]
mod starved;
#[path = "../../src/status.rs"]
mod status;
#[path = "../../src/story.rs"]
mod story;
#[path = "../../src/timer/mod.rs"]
mod timer;
#[path = "../../src/token/mod.rs"]
mod token;
#[path = "../../src/trampoline.rs"]
mod trampoline;
#[path = "../../src/unwind.rs"]
mod unwind;
#[path = "../../src/watcher.rs"]
mod watcher;

pub use error::Cancelled;
pub use reason::{CancelReason, ReasonKind};
pub use token::{CancelCallback, CancellationToken};
