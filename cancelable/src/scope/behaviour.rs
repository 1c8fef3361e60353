//! What a region is, and how its token ends.

use std::mem;
use std::panic::Location;
use std::task::Waker;

use crate::context::{About, Context, Frame, LateSlot, Outside, Polled};
use crate::reason::ReasonKind;
use crate::runtime::Task;
use crate::token::CancellationToken;

/// What a region is, decided when it is made.
pub(crate) struct Behaviour {
    /// It fails when its token is cancelled and its body pending.
    pub(crate) is_check_point: bool,
    /// Its token is its own: ended with it, cancelled by its drop.
    pub(crate) owns_token: bool,
    /// While pending it holds outer check points off.
    pub(crate) shields: bool,
    /// It is a branch: awaits in there are counted.
    pub(crate) is_branch: bool,
    pub(crate) about: About,
    pub(crate) location: &'static Location<'static>,
}

impl Behaviour {
    /// For a poll of the body under the region's token.
    #[inline(always)]
    pub(super) fn frame<'a>(
        &'a self,
        token: &'a CancellationToken,
        late: &'a LateSlot,
        task: Task,
        waker: &'a Waker,
    ) -> Frame<'a> {
        let frame = Frame::ridden(token, late, &self.about, waker, task);
        if self.is_branch {
            frame.count_awaits();
        }
        frame
    }

    /// Runs `f` in the frame of the region's `token`; if it unwinds, that is cancelled, provided it is the region's own.
    #[inline]
    pub(super) fn enter<R>(&self, frame: &Frame<'_>, token: &CancellationToken, f: impl FnOnce() -> R) -> (R, Polled) {
        struct OnUnwind<'a>(&'a Behaviour, &'a CancellationToken);

        impl Drop for OnUnwind<'_> {
            fn drop(&mut self) {
                self.0.about.observed.unwinds();
                if self.0.owns_token {
                    abandon_token(self.1, self.0.location);
                }
            }
        }

        let unwinding = OnUnwind(self, token);
        let result = frame.enter_and_keep(f);
        mem::forget(unwinding);
        result
    }

    /// A token made ambient and nothing more.
    pub(crate) fn ambient(location: &'static Location<'static>) -> Self {
        Self {
            is_check_point: false,
            owns_token: false,
            shields: false,
            is_branch: false,
            about: About::nothing(Outside::Stranger),
            location,
        }
    }

    pub(crate) fn carried(context: Context, location: &'static Location<'static>) -> (CancellationToken, Self) {
        let (token, about) = context.into_parts();
        (
            token,
            Self {
                about,
                ..Self::ambient(location)
            },
        )
    }
}

/// What stops a scope short cancels its token, unless that has a reason already.
#[cold]
pub(super) fn abandon_token(token: &CancellationToken, location: &'static Location<'static>) {
    if !token.is_cancelled() {
        token.cancel_plainly(ReasonKind::Dropped, location);
    }
}

/// A scope is over: stragglers that still hold its token are told.
pub(super) fn end_token(token: &CancellationToken, location: &'static Location<'static>) {
    if !token.is_unshared() && !token.is_cancelled() {
        token.cancel_plainly(ReasonKind::ScopeEnded, location);
    }
}
