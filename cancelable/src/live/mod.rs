//! The scopes that run and have a name, and the last of those that have ended, for whoever observes: the features `tracing` and
//! `registry`. Without these, nothing.
//!
//! A scope is put into the [`table`](self) by the code that begins it, and taken out by that which ends it. The table keeps neither: it
//! is told. It has the scope's token; or, as long as nobody has needed that, what makes it, for who reads or cancels.

use std::panic::Location;

use crate::clock::Glance;
#[cfg(any(feature = "registry", feature = "tracing"))]
use crate::context::with_frame_of;
use crate::context::{About, Frame};
use crate::runtime::Task;
use crate::token::CancellationToken;

#[cfg(any(feature = "registry", feature = "tracing"))]
pub(crate) mod ago;
#[cfg(feature = "registry")]
mod outside;
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
pub(crate) use outside::OutsideCancels;
#[cfg(feature = "registry")]
pub(crate) use table::{Ended, Entry, entries, find, history, set_history};
#[cfg(feature = "registry")]
pub use waits::WaitsFor;

/// A scope begins, or a shield. What it is observed by is put in its `about`.
#[inline(always)]
pub(crate) fn begin(about: &mut About, shields: bool, location: &'static Location<'static>) {
    #[cfg(any(feature = "registry", feature = "tracing"))]
    if shields || about.name.is_some() {
        let task = Task::current();
        with_frame_of(task, |outer| {
            observed::begin(about, shields, location, outer, task, &Glance::default());
        });
    }
    let _ = (about, shields, location);
}

/// The same in this frame, for one who knows it and the task, and may have looked at the clock.
#[inline(always)]
pub(crate) fn begin_in(
    outer: Option<&Frame<'_>>,
    task: Task,
    glance: &Glance,
    about: &mut About,
    shields: bool,
    location: &'static Location<'static>,
) {
    #[cfg(any(feature = "registry", feature = "tracing"))]
    if shields || about.name.is_some() {
        observed::begin(about, shields, location, outer, task, glance);
    }
    let _ = (outer, task, glance, about, shields, location);
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

/// Its token has been made, after it was put there.
#[inline(always)]
pub(crate) fn settle(about: &About, token: &CancellationToken) {
    #[cfg(any(feature = "registry", feature = "tracing"))]
    observed::settle(about, token);
    let _ = (about, token);
}

/// It has ended. May be said twice.
#[inline(always)]
pub(crate) fn end(about: &About) {
    #[cfg(any(feature = "registry", feature = "tracing"))]
    if about.observed.get().is_some() {
        observed::end(about, false);
    }
    let _ = about;
}

/// The same of one that has never been pending.
#[inline(always)]
pub(crate) fn end_at_once(about: &About) {
    #[cfg(any(feature = "registry", feature = "tracing"))]
    if about.observed.get().is_some() {
        observed::end(about, true);
    }
    let _ = about;
}

#[cfg(any(feature = "registry", feature = "tracing"))]
mod observed {
    use super::*;
    use crate::context::StandIn;
    use crate::observe::{self, Begins, Observed};

    pub(super) fn begin(
        about: &mut About,
        shields: bool,
        location: &'static Location<'static>,
        outer: Option<&Frame<'_>>,
        task: Task,
        glance: &Glance,
    ) {
        let outside = outer.and_then(Frame::observed);
        if shields {
            about.observed = outside.map_or(Observed::NONE, |outside| outside.shield(location));
        } else if let Some(name) = &about.name {
            // What was taken along is nearer than the code that happens to run it.
            let outside = about.observed.get().or(outside);
            let begins = Begins { at: glance.now(), task };
            about.observed = Observed::begin(name.clone(), location, outside, begins);
        }
    }

    /// Is the code now running in a scope that is observed?
    pub(super) fn is_in_scope() -> bool {
        with_frame_of(Task::current(), |frame| frame.and_then(Frame::observed).is_some())
    }

    pub(super) fn enlist(frame: &Frame<'_>) {
        let observed = &frame.about().observed;
        if let Some(record) = observed.own() {
            // If nobody has needed the token so far, neither does the table, which is told how it can be made.
            let token = match frame.late() {
                Some(late) if !late.attend() => StandIn::Late(late),
                _ => StandIn::Made(attended(frame.token())),
            };
            table::insert(record, token);
            watch::begin();
            observe::began(observed);
        }
    }

    pub(super) fn settle(about: &About, token: &CancellationToken) {
        if let Some(record) = about.observed.own() {
            table::settle(record, StandIn::Made(attended(token)));
        }
    }

    /// Its task may block: the deadline is watched by a thread.
    fn attended(token: &CancellationToken) -> CancellationToken {
        token.attend();
        token.clone()
    }

    pub(super) fn end(about: &About, at_once: bool) {
        about.observed.end_shield();
        if let Some(record) = about.observed.own() {
            if let Some((outcome, cause)) = table::end(record, at_once) {
                observe::ended(record, outcome, cause.as_deref());
            }
        }
    }
}
