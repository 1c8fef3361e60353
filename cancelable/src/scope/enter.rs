//! Beginning a scope: is it cancelled from the start; and sync scopes, which are over when they return.

use std::mem;
use std::panic::Location;

use super::behaviour::{abandon_token, end_token};
use super::token_origin::{TokenOnDemand, TokenOrigin, outlook};
use crate::clock::Glance;
use crate::context::{About, Frame, Host, Outlook, ask_hosts, beat, probe, with_frame_of};
use crate::live;
use crate::meter::Origin;
use crate::runtime::Task;

/// Would a token from `origin` be cancelled from the start? (An observer is shown the check point in any case.) And its outlook.
#[inline(always)]
pub(super) fn begins<'a>(
    origin: &'a impl TokenOrigin,
    outer: Option<&'a Frame<'_>>,
    glance: &Glance,
) -> (bool, Option<Outlook<'a>>) {
    let outlook = outlook(origin, outer);
    if !probe::is_watched() && outlook.is_some_and(|outlook| outlook.is_known_clear(glance)) {
        return (false, outlook);
    }
    looks_closer(origin, outer, glance)
}

#[inline(never)]
fn looks_closer<'a>(
    origin: &'a impl TokenOrigin,
    outer: Option<&'a Frame<'_>>,
    glance: &Glance,
) -> (bool, Option<Outlook<'a>>) {
    // It is a check point that is passed.
    beat();
    // Asked before the frame is made, which it may turn quiet.
    let is_cancelled = origin.is_cancelled(outer, glance) || probe::is_watched();
    (is_cancelled, outlook(origin, outer))
}

/// Has what may cancel the token of `frame` begin, if that cannot wait. Has it, as it began?
#[inline(always)]
pub(super) fn is_cancelled_at_once(origin: &impl TokenOrigin, frame: &Frame<'_>) -> bool {
    origin.is_needed_at_once() && is_cancelled_now(frame)
}

#[cold]
fn is_cancelled_now(frame: &Frame<'_>) -> bool {
    frame.enter(|| frame.token().is_marked())
}

/// Runs `f` on this thread with a token of its own, which is made only if somebody needs it. `f` is told whether that would be
/// cancelled from the start, and handed its frame. Check points inside ask `host`.
pub(super) fn enter_sync<R>(
    origin: &impl TokenOrigin,
    about: &About,
    host: Option<&dyn Host>,
    location: &'static Location<'static>,
    f: impl FnOnce(bool, &Frame<'_>) -> R,
) -> R {
    struct OnUnwind<'a, O: TokenOrigin>(&'a TokenOnDemand<'a, O>, &'static Location<'static>);

    impl<O: TokenOrigin> Drop for OnUnwind<'_, O> {
        fn drop(&mut self) {
            if let Some(token) = self.0.made() {
                abandon_token(token, self.1);
            }
            self.0.about().observed.unwinds();
            live::end(self.0.about());
        }
    }

    ask_hosts();
    let _announced = Origin::at(location).announce();
    let glance = origin.begin();
    let task = Task::current();
    with_frame_of(task, |outer| {
        let (is_cancelled, outlook) = begins(origin, outer, &glance);
        let mut unmade = TokenOnDemand::new(origin, about, outlook, None).hosted(host);
        let frame = Frame::lazy(&unmade, unmade.state(), about, None, task);
        let is_cancelled = is_cancelled || is_cancelled_at_once(origin, &frame);
        let value = frame.enter(|| {
            live::enlist(&frame);
            let unwinding = OnUnwind(&unmade, location);
            let value = f(is_cancelled, &frame);
            mem::forget(unwinding);
            live::end(about);
            value
        });
        if let Some(token) = unmade.take_made() {
            end_token(&token, location);
        }
        value
    })
}
