//! The scopes that run and have a name, and the last of those that have ended, for whoever observes: the features `tracing` and
//! `registry`. Without these, nothing.
//!
//! A scope is put into the [`table`](self) by the code that begins it, with its token, and taken out by that which ends it. The
//! table keeps neither: it is told.

use std::panic::Location;

use crate::context::{About, Frame};

#[cfg(any(feature = "registry", feature = "tracing"))]
pub(crate) mod ago;
#[cfg(any(feature = "registry", feature = "tracing"))]
mod table;
#[cfg(any(feature = "registry", feature = "tracing"))]
#[cfg_attr(
    not(feature = "registry"),
    allow(dead_code, unreachable_pub, reason = "the registry asks for it")
)]
mod waits;
#[cfg(any(feature = "registry", feature = "tracing"))]
mod watch;

#[cfg(feature = "registry")]
pub(crate) use table::{Ended, Entry, entries, find, history, set_history};
#[cfg(feature = "registry")]
pub use waits::WaitsFor;

/// A scope begins, or a shield. What it is observed by is put in its `about`.
#[inline(always)]
pub(crate) fn begin(about: &mut About, shields: bool, location: &'static Location<'static>) {
    #[cfg(any(feature = "registry", feature = "tracing"))]
    if shields || about.name.is_some() {
        observed::begin(about, shields, location);
    }
    let _ = (about, shields, location);
}

/// Runs `f` with what a shield's frame says of itself.
#[inline(always)]
pub(crate) fn with_shield<R>(location: &'static Location<'static>, f: impl FnOnce(&About) -> R) -> R {
    #[cfg(any(feature = "registry", feature = "tracing"))]
    if observed::is_in_scope() {
        let mut about = About::SHIELD.clone();
        begin(&mut about, true, location);
        return f(&about);
    }
    let _ = location;
    f(About::SHIELD)
}

/// Its frame is in force: it is put into the table, with its token.
#[inline(always)]
pub(crate) fn enlist(frame: &Frame<'_>) {
    #[cfg(any(feature = "registry", feature = "tracing"))]
    observed::enlist(frame);
    let _ = frame;
}

/// It has ended. May be said twice.
#[inline(always)]
pub(crate) fn end(about: &About) {
    #[cfg(any(feature = "registry", feature = "tracing"))]
    observed::end(about);
    let _ = about;
}

#[cfg(any(feature = "registry", feature = "tracing"))]
mod observed {
    use super::*;
    use crate::context::with_frame_of;
    use crate::observe::{self, Observed};
    use crate::runtime::Task;

    pub(super) fn begin(about: &mut About, shields: bool, location: &'static Location<'static>) {
        with_frame_of(Task::current(), |outer| {
            let outside = outer.and_then(Frame::observed);
            if shields {
                about.observed = outside.map_or(Observed::NONE, |outside| outside.shield(location));
            } else if let Some(name) = &about.name {
                // What was taken along is nearer than the code that happens to run it.
                let outside = about.observed.get().or(outside);
                about.observed = Observed::begin(name.clone(), location, outside);
            }
        });
    }

    /// Is the code now running in a scope that is observed?
    pub(super) fn is_in_scope() -> bool {
        with_frame_of(Task::current(), |frame| frame.and_then(Frame::observed).is_some())
    }

    pub(super) fn enlist(frame: &Frame<'_>) {
        let observed = &frame.about().observed;
        if let Some(record) = observed.own() {
            // Its task may block: the deadline is watched by a thread.
            frame.token().attend();
            table::insert(record, frame.token());
            watch::begin();
            observe::began(observed);
        }
    }

    pub(super) fn end(about: &About) {
        about.observed.end_shield();
        if let Some(record) = about.observed.own() {
            if let Some((outcome, cause)) = table::end(record) {
                observe::ended(record, outcome, cause.as_deref());
            }
        }
    }
}
