//! What happens to scopes that have a name, told to whoever observes them: the features `tracing` and `registry`. Without these,
//! nothing: no word is stored, and no instruction runs.
//!
//! | what happens | it is said by |
//! |---|---|
//! | a scope begins, its code runs on a thread, it ends | `scope/` and frames, to the [`Observed`] in the frame's `About` |
//! | a check point is passed | `context::pass`, to the [`Record`] of the innermost such scope |
//! | a cancel is asked for | `token/`, to [`asked`] |
//! | it is noticed, or drops something | check points, to [`noticed`], [`forced`] and [`dropped`] |
//!
//! Observers are code of the user's: a subscriber, a hook. None runs under a lock of the library, and a panic in one ends there.

#[cfg(any(feature = "registry", feature = "tracing"))]
mod events;
#[cfg(any(feature = "registry", feature = "tracing"))]
mod held;
#[cfg(feature = "registry")]
mod hooks;
#[cfg(any(feature = "registry", feature = "tracing"))]
mod observed;
mod pass;
#[cfg(feature = "registry")]
#[allow(unsafe_code, reason = "a word that is a reference; see the head of the file")]
mod point;
#[cfg(any(feature = "registry", feature = "tracing"))]
#[cfg_attr(
    not(feature = "registry"),
    allow(dead_code, unreachable_pub, reason = "the registry asks for it")
)]
mod record;
#[cfg(any(feature = "registry", feature = "tracing"))]
mod span;
#[cfg(any(feature = "registry", feature = "tracing"))]
mod threads;
#[cfg(any(feature = "registry", feature = "tracing"))]
mod ticks;
#[cfg(feature = "tracing")]
mod traced;

#[cfg(not(any(feature = "registry", feature = "tracing")))]
mod off;

#[cfg(any(feature = "registry", feature = "tracing"))]
pub(crate) use events::{asked, began, dropped, ended, forced, left, noticed, noticed_for, straggles};
#[cfg(feature = "registry")]
pub use hooks::{Event, EventKind, Hook, on_event};
#[cfg(any(feature = "registry", feature = "tracing"))]
pub(crate) use observed::Observed;
#[cfg(any(feature = "registry", feature = "tracing"))]
#[cfg_attr(not(feature = "registry"), allow(unreachable_pub, reason = "the registry shows it"))]
pub use record::Outcome;
#[cfg(any(feature = "registry", feature = "tracing"))]
pub(crate) use record::{Begins, Record, Subject};
#[cfg(feature = "registry")]
pub(crate) use threads::{ThreadNames, thread_name};
#[cfg(any(feature = "registry", feature = "tracing"))]
pub(crate) use {
    held::{Held, hold},
    ticks::Ticks,
};

#[cfg(not(any(feature = "registry", feature = "tracing")))]
pub(crate) use off::{Observed, Subject, asked, dropped, forced, left, noticed, noticed_for};

pub(crate) use pass::Pass;

/// Are there words of what runs, which anybody may read?
pub(crate) const KEEPS_WORDS: bool = cfg!(feature = "registry");

/// Is there anybody who may observe?
pub(crate) const IS_ON: bool = cfg!(any(feature = "registry", feature = "tracing"));
