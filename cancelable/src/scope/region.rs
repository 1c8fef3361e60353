//! `Region`: a future with an ambient token, the one machine behind scopes, shields and tokens made ambient.
//!
//! It enters its frame for every poll and for every drop of its body; it registers its task with its token, or with what
//! stands in for that, whenever it returns pending under a new waker, which is what spares the check points inside from
//! registering; and, if it is a check point itself, it fails as they do.

use std::any;
use std::cell::Cell;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::behaviour::{Behaviour, abandon_token, end_token};
use super::enter::{begins, is_cancelled_at_once};
use super::place::clear;
use super::region_state::{Exit, Pausable, RegionState, rides_on};
use super::state::{HasState, LateState, PooledState};
use super::token_origin::{Dropped, Standing, TokenOnDemand, TokenOrigin, may_ride, outlook};
use crate::check_point::CheckPoint;
use crate::clock;
use crate::context::{Frame, Polled, with_frame, with_frame_of};
use crate::delay::Delay;
use crate::error::Cancelled;
use crate::guard::Before;
use crate::live;
use crate::meter::Origin;
use crate::observe;
use crate::pending::{Kind, Progress, progress};
use crate::reason::CancelReason;
use crate::runtime::Task;
use crate::starved;
use crate::token::{CancellationToken, Registered};
use crate::unwind::FirstPanic;

pin_project_lite::pin_project! {
    /// A body under a token that comes from `origin`.
    pub(crate) struct Region<O, F, S = PooledState>
    where
        S: HasState,
    {
        origin: O,
        state: S,
        // In place from the start; `None` once it is done.
        #[pin]
        body: Option<F>,
    }

    impl<O, F, S> PinnedDrop for Region<O, F, S>
    where
        S: HasState,
    {
        fn drop(this: Pin<&mut Self>) {
            // Otherwise it never was pending, or has cleaned up when it was done.
            if this.state.is_begun() {
                if !this.is_over() {
                    observe::left(&this.state.live().behaviour.about.observed);
                }
                this.abandon();
            }
        }
    }
}

/// Cancels the token of a region whose body unwinds while it had no token to itself, and leaves it with the region, so that the
/// body's remains are dropped under it.
struct OnUnwind<'a, 'f> {
    /// The token is made now if nobody needed it before: destructors may.
    frame: &'a Frame<'f>,
    behaviour: &'a Behaviour,
    exit: &'a mut Option<Box<Exit>>,
    is_begun: &'a mut bool,
    is_unmade: &'a mut bool,
}

impl Drop for OnUnwind<'_, '_> {
    fn drop(&mut self) {
        self.behaviour.about.observed.unwinds();
        let token = self.frame.token().clone();
        if self.behaviour.owns_token {
            abandon_token(&token, self.behaviour.location);
        }
        let mut panics = FirstPanic::default();
        panics.run(|| self.frame.wake_riders());
        panics.resume();
        self.exit.get_or_insert_default().unwound = Some(token);
        (*self.is_begun, *self.is_unmade) = (true, true);
    }
}

/// What there was when a poll began.
#[derive(Clone, Copy)]
pub(super) struct Since {
    progress: Progress,
    put_off: usize,
}

impl Since {
    #[inline]
    pub(super) fn now() -> Self {
        Self {
            progress: progress(),
            put_off: starved::put_off_so_far(),
        }
    }

    #[inline]
    pub(super) fn put_off(self) -> usize {
        self.put_off
    }
}

/// A region that is being looked after.
struct Parts<'a, O, F> {
    origin: &'a O,
    registered: Pin<&'a mut Registered<CancellationToken>>,
    live: &'a mut RegionState,
    body: Pin<&'a mut Option<F>>,
}

impl<O, F> Region<O, F> {
    pub(crate) fn new(origin: O, behaviour: Behaviour, body: F) -> Self {
        Self::with(origin, behaviour, Some(body))
    }

    /// The same region, not yet polled, as something else.
    pub(super) fn into_other<P>(self, origin: P, behaviour: Behaviour) -> Region<P, F> {
        // `Region` has a destructor, so its parts cannot be moved out of it.
        let mut this = self;
        let body = this.body.take();
        Region::with(origin, behaviour, body)
    }

    #[inline(always)]
    fn with(origin: O, behaviour: Behaviour, body: Option<F>) -> Self {
        Self {
            origin,
            state: PooledState::new(behaviour),
            body,
        }
    }
}

/// A region without a state, which whoever owns it polls and drops until it needs one.
impl<O, F> Region<O, F, LateState> {
    pub(super) fn stateless(origin: O, body: F) -> Self {
        Self {
            origin,
            state: LateState::default(),
            body: Some(body),
        }
    }

    pub(super) fn has_state(&self) -> bool {
        self.state.is_made()
    }

    /// The place for its state, and that of its body.
    pub(super) fn places(self: Pin<&mut Self>) -> (&mut LateState, Pin<&mut Option<F>>) {
        let this = self.project();
        (this.state, this.body)
    }
}

impl<O, F, S: HasState> Region<O, F, S> {
    fn parts(self: Pin<&mut Self>) -> Parts<'_, O, F> {
        let this = self.project();
        let (registered, live) = this.state.parts();
        Parts {
            origin: this.origin,
            registered,
            live,
            body: this.body,
        }
    }

    /// Has it been pending, and is it not over?
    pub(super) fn is_begun(&self) -> bool {
        self.state.is_begun()
    }

    /// Is it not to be polled any more?
    pub(super) fn is_over(&self) -> bool {
        self.body.is_none()
    }

    pub(super) fn origin(&self) -> &O {
        &self.origin
    }

    pub(super) fn origin_mut(self: Pin<&mut Self>) -> &mut O {
        self.project().origin
    }

    /// Has it end when its token is cancelled, with its body or, after the grace, without.
    pub(super) fn lose(self: Pin<&mut Self>, grace: Option<Duration>) {
        let behaviour = &mut self.parts().live.behaviour;
        (behaviour.is_check_point, behaviour.about.grace) = (true, grace);
    }

    /// Ends the grace of a cancelled region, if it has one or not: its body goes when it is pending again.
    pub(super) fn force(self: Pin<&mut Self>) {
        self.parts().live.exit.get_or_insert_default().grace = Some(Delay::over());
    }

    /// Cancels the token of a running region that has one.
    pub(super) fn supersede(self: Pin<&mut Self>, why: &'static str) {
        let this = self.parts();
        debug_assert!(!this.live.is_unmade);
        let reason = CancelReason::superseded(why, None, this.live.behaviour.location);
        this.registered.token().cancel_with(reason);
    }

    /// The region goes away: dropped, or done. Cancels first and drops the body after, so that a destructor that waits
    /// for the scope's threads does not wait for ever; and drops it within the region's frame.
    pub(super) fn abandon(self: Pin<&mut Self>) {
        let this = self.parts();
        let live = this.live;
        let mut body = this.body;
        let mut registered = this.registered;
        // Wakers, callbacks and destructors are run, and a panic in one must not keep the others from their turn.
        let mut panics = FirstPanic::default();
        panics.run(|| {
            registered.as_mut().unregister();
        });
        let is_running = body.is_some();
        let was_cancelled = registered.token().is_marked();
        if live.is_unmade && live.unwound().is_none() {
            // Those who ride are to find it cancelled.
            panics.run(|| {
                if let Some(token) = live.late_token() {
                    live.is_unmade = false;
                    registered.as_mut().adopt(token);
                }
            });
        }
        let token = live.unwound().unwrap_or_else(|| registered.token());
        if live.is_unmade && live.unwound().is_none() {
            if is_running {
                // Destructors may ask for it, and see it cancelled.
                let (stand_in, location) = (live.stand_in(token), live.behaviour.location);
                let dropped = Dropped { stand_in, location };
                let unmade = TokenOnDemand::dropped(&dropped, &live.behaviour.about);
                let frame = Frame::lazy(&unmade, unmade.state(), &live.behaviour.about, None, Task::ANY);
                panics.run(|| {
                    frame.enter(|| clear(body.as_mut()));
                });
            }
        } else {
            if is_running && live.behaviour.owns_token {
                panics.run(|| abandon_token(token, live.behaviour.location));
            }
            panics.run(|| {
                Frame::new(token, &live.behaviour.about, None).enter(|| clear(body.as_mut()));
            });
        }
        live::end(&live.behaviour.about);
        panics.run(|| live.late.let_go());
        panics.run(|| live.leave(was_cancelled));
        panics.run(|| registered.as_mut().adopt(CancellationToken::never()));
        panics.run(|| live.reset());
        panics.resume();
    }
}

/// Polls a body; when it is done, its remains are dropped in here.
pub(super) fn poll_body<F: Future>(mut body: Pin<&mut Option<F>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    let poll = running(body.as_mut()).poll(cx);
    if poll.is_ready() {
        clear(body);
    }
    poll
}

pub(super) fn running<F>(body: Pin<&mut Option<F>>) -> Pin<&mut F> {
    match body.as_pin_mut() {
        Some(future) => future,
        None => unreachable!("the body is there"),
    }
}

impl<O: TokenOrigin, F: Future, S: HasState> Region<O, F, S> {
    /// Polls the body. `end` makes the caller's output; called where the result is, it leaves less to be moved and looked at on
    /// every poll.
    #[inline]
    pub(crate) fn poll_region<R>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        let live = self.state.live();
        let _announced = Origin::at(live.behaviour.location).announce();
        let poll = if !live.is_begun {
            self.as_mut().first_poll(cx, end)
        } else if live.is_unmade {
            self.as_mut().poll_unmade(cx, end)
        } else {
            return self.poll_begun(cx, end);
        };
        self.followed(poll, cx)
    }

    /// A later poll than the first, of one that has its token.
    #[inline]
    fn poll_begun<R>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        let this = self.as_mut().parts();
        let live = this.live;
        let registered = this.registered.into_ref();
        let token = registered.token();
        let has_waker = registered.has(cx.waker());
        if !has_waker {
            live.task = Task::current();
            live.late.let_go();
        } else if let Some(late) = live.late.get() {
            late.count_poll();
        }
        if live.inside.is_some() || live.pausable != Pausable::No || !token.is_quiet() {
            let poll = self.as_mut().poll_with_care(None, cx, end);
            return self.followed(poll, cx);
        }
        let late = Cell::from_mut(&mut live.late);
        let frame = live.behaviour.frame(token, late, live.task, cx.waker());
        let body = running(this.body);
        let (poll, polled) = live.behaviour.enter(&frame, token, || body.poll(cx));
        if let Poll::Ready(output) = poll {
            self.finish();
            polled.let_go();
            return Poll::Ready(end(Ok(output)));
        }
        live.is_plain = live.is_plain && frame.counts_awaits() && polled.is_silent();
        let is_foreign = !frame.outer_wakes(cx.waker());
        if live.is_as_before(&polled, is_foreign, has_waker) {
            return Poll::Pending;
        }
        self.pending(Before::default(), Some(polled), is_foreign, cx)
            .map(|cancelled| end(Err(cancelled)))
    }

    /// The end of a poll after which the clock may be another.
    fn followed<R>(self: Pin<&mut Self>, poll: Poll<R>, cx: &mut Context<'_>) -> Poll<R> {
        if poll.is_pending() && self.state.live().pausable != Pausable::No {
            let this = self.parts();
            this.live.follow_clock(this.registered.token(), cx);
        }
        poll
    }

    /// A poll that has more to see to than the body: a token that may have to be made, a deadline, or a cancel.
    ///
    /// `since`: its body has been polled already, in another frame and under the same token, and is pending.
    #[inline(never)]
    pub(super) fn poll_with_care<R>(
        mut self: Pin<&mut Self>,
        since: Option<Since>,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        let this = self.as_mut().parts();
        let live = this.live;
        let body = running(this.body);
        let registered = this.registered.into_ref();
        let token = registered.token();
        if live.deadline.as_ref().is_some_and(|deadline| !deadline.is_quiet()) {
            live.poll_deadline(token, cx);
        }
        // Not `is_cancelled`, which would have the deadline watched by a thread: this task does.
        let cancelled = token.is_marked();
        // What cannot fail need not know who was told, nor be patient.
        let mut before = if cancelled && live.behaviour.is_check_point {
            let foreign = with_frame(|outer| outer.is_some_and(|outer| !outer.wakes(cx.waker())));
            let waits = live.exit.as_mut().map(|exit| mem::take(&mut exit.waits));
            Before::cancelled(token, foreign, waits.unwrap_or_default())
        } else {
            Before::spared(cancelled)
        };
        if let Some(since) = since {
            before = before.since(since.progress, since.put_off);
        }
        let late = Cell::from_mut(&mut live.late);
        let frame = live.behaviour.frame(token, late, live.task, cx.waker());
        // What comes of a loser goes to nobody: what it takes would be lost.
        let is_dropped = cancelled && live.is_plain && live.behaviour.is_check_point && frame.has_lost();
        let inside = &mut live.inside;
        let (poll, polled) = live.behaviour.enter(&frame, token, || match since {
            None if is_dropped => Poll::Pending,
            None => before.poll(inside, body, cx),
            Some(_) => before.go_on(inside, body, cx),
        });
        if let Poll::Ready(output) = poll {
            self.finish();
            return Poll::Ready(end(Ok(output)));
        }
        live.is_plain = live.is_plain && frame.counts_awaits() && polled.is_silent();
        let is_foreign = !frame.outer_wakes(cx.waker());
        if !cancelled && live.is_as_before(&polled, is_foreign, registered.has(cx.waker())) {
            return Poll::Pending;
        }
        self.pending(before, Some(polled), is_foreign, cx)
            .map(|cancelled| end(Err(cancelled)))
    }

    /// A later poll than the first while nobody has needed the token.
    #[inline(never)]
    fn poll_unmade<R>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        with_frame(|outer| {
            let outer = outer.filter(|outer| outer.wakes(cx.waker()));
            if self.as_mut().is_made(outer, cx) {
                self.poll_with_care(None, cx, end)
            } else {
                self.poll_without_token(outer, cx, end)
            }
        })
    }

    /// Does the region need its token before this poll? Then it is made. Another one's may have been, for who rides.
    fn is_made(mut self: Pin<&mut Self>, outer: Option<&Frame<'_>>, cx: &mut Context<'_>) -> bool {
        let must_make = self.as_mut().has_moved(outer, cx);
        let this = self.as_mut().parts();
        let live = this.live;
        if let Some(token) = live.exit.as_mut().and_then(|exit| exit.unwound.take()) {
            // It panicked in the poll before, and is polled all the same.
            live.late.let_go();
            self.as_mut().settle(token);
            let this = self.parts();
            this.origin.begun(this.registered.token());
            return true;
        }
        let is_made = live.late.get().is_some_and(|late| late.is_made());
        let needs = must_make || is_made || this.registered.token().is_marked() || live.has_deadline_come(cx);
        if needs {
            self.make();
        }
        needs
    }

    /// Is this another poll than that under whose waker it was last pending? Then it rides no longer, and nobody rides on it. `true`:
    /// and the token is needed.
    fn has_moved(self: Pin<&mut Self>, outer: Option<&Frame<'_>>, cx: &mut Context<'_>) -> bool {
        let this = self.parts();
        let live = this.live;
        let rides_on = |late, rode_in| outer.is_some_and(|outer| rides_on(late, rode_in, outer));
        let stays = match &live.rides {
            Some(late) => rides_on(late, &mut live.rode_in),
            None => this.registered.has(cx.waker()),
        };
        if stays {
            return false;
        }
        let late = live.rides.take();
        live.task = Task::current();
        let mut is_needed = live.late.is_ridden();
        if !is_needed {
            live.late.let_go();
        }
        if let Some(late) = late {
            let stand_in = late.token();
            // One that no thread can watch has to be asked for.
            is_needed |= stand_in.attend();
            this.registered.adopt(stand_in);
            // It is to wake this waker from now on. (If it rode without an alarm, it ends with its stand-in, before its time.)
            live.poll_deadline(&CancellationToken::never(), cx);
        }
        is_needed
    }

    /// Makes the token of a pending region, or takes it from those who ride.
    fn make(mut self: Pin<&mut Self>) {
        let this = self.as_mut().parts();
        let (live, origin) = (this.live, this.origin);
        let token = match (
            live.late.get(),
            live.stand_in(this.registered.as_ref().get_ref().token()),
        ) {
            (Some(late), _) => late.token(),
            (None, stand_in) => origin.make_below(&stand_in.token(), &live.behaviour.about),
        };
        self.as_mut().settle(token);
        let this = self.parts();
        this.origin.begun(this.registered.token());
    }

    /// A later poll in which the token is made only if somebody needs it.
    fn poll_without_token<R>(
        mut self: Pin<&mut Self>,
        outer: Option<&Frame<'_>>,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        let this = self.as_mut().parts();
        let (origin, live) = (this.origin, this.live);
        let registered = this.registered.as_ref().get_ref();
        let standing = match &live.rides {
            Some(late) => Standing::Rides(late, live.deadline.as_ref()),
            None => Standing::Waits(registered.token(), live.deadline.as_ref()),
        };
        if let Some(late) = live.late.get() {
            late.count_poll();
        }
        let late = Cell::from_mut(&mut live.late);
        let mut unmade = TokenOnDemand::pending(standing, outer, origin, &live.behaviour.about, late, live.looks);
        let frame = Frame::lazy(
            &unmade,
            unmade.state(),
            &live.behaviour.about,
            Some(cx.waker()),
            live.task,
        );
        let unwinding = OnUnwind {
            frame: &frame,
            behaviour: &live.behaviour,
            exit: &mut live.exit,
            is_begun: &mut live.is_begun,
            is_unmade: &mut live.is_unmade,
        };
        let body = this.body;
        let (poll, polled) = frame.enter_and_keep(|| {
            if let Some(keeper) = live.inside.get() {
                frame.announce(keeper);
            }
            poll_body(body, cx)
        });
        mem::forget(unwinding);
        live.is_plain = live.is_plain && frame.counts_awaits() && polled.is_silent();
        let is_foreign = !frame.outer_wakes(cx.waker());
        live.looks = unmade.looks();
        match (poll, unmade.take_made()) {
            (Poll::Ready(output), made) => {
                live.end_observed();
                live.end_unmade(made);
                live.inside.keep(polled);
                self.finish();
                Poll::Ready(end(Ok(output)))
            }
            (Poll::Pending, None) if live.is_as_before(&polled, is_foreign, registered.has(cx.waker())) => {
                Poll::Pending
            }
            (Poll::Pending, made) => {
                if let Some(token) = made {
                    self.as_mut().settle(token);
                }
                self.pending(Before::default(), Some(polled), is_foreign, cx)
                    .map(|cancelled| end(Err(cancelled)))
            }
        }
    }

    /// The token has been made: it is what the region waits for from now on.
    fn settle(self: Pin<&mut Self>, token: CancellationToken) {
        let this = self.parts();
        (this.live.is_unmade, this.live.rides) = (false, None);
        live::settle(&this.live.behaviour.about, &token);
        this.registered.adopt(token);
    }

    /// The less usual ends of a pending poll.
    #[inline(never)]
    pub(super) fn pending(
        mut self: Pin<&mut Self>,
        before: Before,
        polled: Option<Polled>,
        is_foreign: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Cancelled> {
        let live = self.as_mut().parts().live;
        if let Some(polled) = polled {
            live.inside.keep(polled);
        }
        if live.behaviour.shields {
            live.inside.set(Kind::Hold, true);
        }
        let poll = self.as_mut().pending_with(before, is_foreign, cx);
        if poll.is_pending() {
            self.state.live().inside.note(cx.waker());
        }
        poll
    }

    fn pending_with(
        mut self: Pin<&mut Self>,
        mut before: Before,
        is_foreign: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Cancelled> {
        let this = self.as_mut().parts();
        let live = this.live;
        let mut registered = this.registered;
        if live.rides.is_some() {
            // It is woken with what is outside.
            return Poll::Pending;
        }
        if !live.is_unmade {
            live.let_unmade_riders_go();
        }
        let token = registered.token();
        if let Some(cause) = token.marked_cause() {
            if !before.cancelled {
                // It came in the middle of this poll.
                live.let_notice(is_foreign, token, cx);
                return Poll::Pending;
            }
            if !live.behaviour.is_check_point {
                // Somebody inside notices, or nobody does.
                return Poll::Pending;
            }
            let is_forced = live.poll_grace(cx);
            if !is_forced {
                let frame = Frame::new(token, &live.behaviour.about, Some(cx.waker()));
                let may_fail = frame.enter(|| before.may_fail(&live.inside, &cause, &frame, cx));
                if !may_fail || before.is_put_off(cx) {
                    if before.waits.is_some() {
                        live.exit.get_or_insert_default().waits = before.waits;
                    }
                    return Poll::Pending;
                }
            }
            let frame = Frame::new(token, &live.behaviour.about, None);
            let notice = frame.enter(|| {
                let notice = frame.fail(live.behaviour.location, CheckPoint::Await);
                if let Some(cancelled) = &notice {
                    observe::noticed(cancelled);
                    let observed = &live.behaviour.about.observed;
                    if is_forced {
                        observe::forced(observed, cancelled);
                    } else {
                        observe::dropped(any::type_name::<F>, Some(observed), cancelled);
                    }
                }
                notice
            });
            self.abandon();
            return match notice {
                Some(cancelled) if is_forced => Poll::Ready(cancelled.forced()),
                Some(cancelled) => Poll::Ready(cancelled),
                None => unreachable!("a cancelled token has a cause"),
            };
        }

        if live.is_foreign == is_foreign && registered.has(cx.waker()) {
            return Poll::Pending;
        }
        let has_waker = registered.has_waker();
        if !has_waker && !live.is_unmade {
            live.watch_deadline(token, cx);
        } else if has_waker || live.deadline.as_ref().is_some_and(|deadline| !deadline.is_quiet()) {
            // It is to wake this waker from now on.
            live.poll_deadline(token, cx);
        }
        let in_time = if live.is_foreign == is_foreign {
            registered.as_mut().register(cx.waker(), is_foreign)
        } else {
            // The two kinds have different places in the list.
            registered.as_mut().register_anew(cx.waker(), is_foreign)
        };
        let token = registered.token();
        if in_time {
            live.set_foreign(is_foreign, token);
        } else {
            // Cancelled since.
            live.let_notice(is_foreign, token, cx);
        }
        Poll::Pending
    }

    /// The first poll, which makes the token only if it must; or one too many.
    #[inline(never)]
    fn first_poll<R>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        with_frame(|outer| {
            // Asking is dear; but a poll is its task's.
            let (task, outer) = match outer {
                Some(frame) if frame.wakes(cx.waker()) => (frame.task(), outer),
                _ => {
                    let task = Task::current();
                    (task, outer.filter(|outer| outer.task().is(task)))
                }
            };
            let this = self.as_mut().parts();
            let (origin, live, mut body) = (this.origin, this.live, this.body);
            assert!(
                body.is_some(),
                "a scope, shield or ambient future was polled after it had completed"
            );
            live.task = task;
            let glance = origin.begin();
            let behaviour = &mut live.behaviour;
            live::begin_in(
                outer,
                task,
                &glance,
                &mut behaviour.about,
                behaviour.shields,
                behaviour.location,
            );
            let behaviour = &live.behaviour;
            let (is_cancelled, outlook) = if behaviour.is_check_point {
                begins(origin, outer, &glance)
            } else {
                (false, outlook(origin, outer))
            };
            let outside = outer.map_or(0, Frame::address);
            let late = Cell::from_mut(&mut live.late);
            let mut unmade = TokenOnDemand::new(origin, &behaviour.about, outlook, Some(late));
            let frame = Frame::lazy(&unmade, unmade.state(), &behaviour.about, Some(cx.waker()), task);
            let unwinding = OnUnwind {
                frame: &frame,
                behaviour,
                exit: &mut live.exit,
                is_begun: &mut live.is_begun,
                is_unmade: &mut live.is_unmade,
            };
            // What can end before its body is polled has to be there before.
            let is_observed = behaviour.about.observed.is_own();
            let may_end = is_cancelled || origin.is_needed_at_once();
            if is_observed && may_end {
                frame.enter(|| live::enlist(&frame));
            }
            let is_cancelled = is_cancelled || is_cancelled_at_once(origin, &frame);
            if is_cancelled && behaviour.is_check_point {
                let noticed = frame.enter(|| {
                    // What is dropped unused is dropped in here, too.
                    frame
                        .notice(behaviour.location, CheckPoint::Scope)
                        .inspect(observe::noticed)
                        .inspect(|_| clear(body.as_mut()))
                });
                if let Some(cancelled) = noticed {
                    mem::forget(unwinding);
                    live.end_observed_at_once();
                    return Poll::Ready(end(Err(cancelled)));
                }
            }
            let (poll, polled) = frame.enter_and_keep(|| {
                if is_observed && !may_end {
                    live::enlist(&frame);
                }
                poll_body(body, cx)
            });
            mem::forget(unwinding);
            let is_foreign = !frame.outer_wakes(cx.waker());
            let is_plain = frame.counts_awaits() && polled.is_silent();
            live.looks = unmade.looks();
            let made = unmade.take_made();
            if let Poll::Ready(output) = poll {
                live.end_observed_at_once();
                live.end_unmade(made);
                polled.let_go();
                return Poll::Ready(end(Ok(output)));
            }
            // From here on the region's drop sees to the body, wherever this gets stuck: making a token may run callbacks, and
            // a waker may panic when it is cloned.
            live.is_begun = true;
            live.is_unmade = true;
            live.is_plain = is_plain;
            let deadline = origin.deadline();
            live.pausable = match deadline {
                Some((at, false)) if clock::may_be_paused() => Pausable::Running(at),
                _ => Pausable::No,
            };
            // (Another look at the frame: if a coroutine has suspended in there, the one before may be gone.)
            let rides = |outer: Option<&Frame<'_>>| {
                let is_same = outer.is_some_and(|outer| outer.is_at(outside));
                // It need not be woken when what is outside is over by then.
                let needs_alarm = deadline.is_some_and(|(at, _)| !outlook.is_some_and(|all| all.ends_before(at)));
                (is_same && !needs_alarm && live.ride_as_known()) || live.ride(outer, deadline, cx)
            };
            if let Some(token) = made {
                self.as_mut().settle(token);
            } else if may_ride(origin) && with_frame(rides) {
                if polled.is_empty() && (!is_observed || live.is_woken_for_others()) {
                    return Poll::Pending;
                }
            } else if let Some(stand_in) = with_frame_of(task, |outer| origin.stand_in(outer)) {
                this.registered.adopt(stand_in);
                if let Some((at, is_virtual)) = deadline {
                    Delay::arm(&mut live.deadline, at, is_virtual, cx.waker());
                }
            } else {
                let token = with_frame_of(task, |outer| match live.late.get() {
                    Some(late) => late.token(),
                    None => origin.make(outer, &live.behaviour.about),
                });
                self.as_mut().settle(token);
            }
            let live = self.as_mut().parts().live;
            if is_observed && live.is_unmade && !live.is_woken_for_others() {
                self.as_mut().make();
            }
            // Had it been cancelled when the poll began, there would have been none.
            self.as_mut()
                .pending(Before::default(), Some(polled), is_foreign, cx)
                .map(|cancelled| end(Err(cancelled)))
        })
    }

    /// The body is done: end the token, inside whose frame the body's remains are dropped.
    fn finish(self: Pin<&mut Self>) {
        let this = self.parts();
        let live = this.live;
        let (body, mut registered) = (this.body, this.registered);
        let was_cancelled = registered.token().is_marked();
        if !live.is_unmade {
            registered.as_mut().unregister();
            let token = registered.token();
            let frame = Frame::new(token, &live.behaviour.about, None);
            live.behaviour.enter(&frame, token, || clear(body));
            if !live.late.is_ridden() {
                // It may have the token.
                live.late.let_go();
            }
            live::end(&live.behaviour.about);
            if live.behaviour.owns_token {
                end_token(token, live.behaviour.location);
            }
            live.late.let_go();
        }
        live.leave(was_cancelled);
        registered.as_mut().adopt(CancellationToken::never());
        live.reset();
    }
}
