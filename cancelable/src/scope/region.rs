//! `Region`: a future with an ambient token, the one machine behind scopes, shields and tokens made ambient.
//!
//! It enters its frame for every poll and for every drop of its body; it registers its task with its token whenever it
//! returns pending under a new waker, which is what spares the check points inside from registering; and, if it is a
//! check point itself, it fails as they do.

use std::future::Future;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll, RawWakerVTable, Waker};
use std::time::Duration;

use super::origin::{Below, Dropped, Existing, Origin, Unmade, Watched};
use crate::context::{About, Carried, Counts, Frame, LazyToken, count, probe, with_frame};
use crate::delay::Delay;
use crate::error::Cancelled;
use crate::guard::{Before, Hold};
use crate::reason::CancelReason;
use crate::token::{CancellationToken, Registered, Unwatched};

/// Makes the body, once the token is there.
pub(crate) trait Make<F> {
    fn make(self, token: impl FnOnce() -> CancellationToken) -> F;
}

/// A body that was there before.
pub(crate) struct Given<F>(pub(crate) F);

impl<F> Make<F> for Given<F> {
    fn make(self, _token: impl FnOnce() -> CancellationToken) -> F {
        self.0
    }
}

/// A body that wants to be handed the token.
pub(crate) struct With<C>(pub(crate) C);

impl<C: FnOnce(CancellationToken) -> F, F> Make<F> for With<C> {
    fn make(self, token: impl FnOnce() -> CancellationToken) -> F {
        self.0(token())
    }
}

/// What a region is, decided when it is made.
pub(crate) struct Nature {
    /// It fails when its token is cancelled and its body pending.
    pub(crate) is_check_point: bool,
    /// Its token is its own: ended with it, cancelled by its drop.
    pub(crate) owns_token: bool,
    /// While pending it holds outer check points off.
    pub(crate) shields: bool,
    pub(crate) about: About,
    pub(crate) location: &'static Location<'static>,
}

pin_project_lite::pin_project! {
    /// A body that is made when the region is first polled, and its token.
    pub(crate) struct Region<M, F> {
        // Of a region that has not begun, or is done: with no token.
        #[pin]
        registered: Registered<CancellationToken>,
        #[pin]
        body: Body<M, F>,
        live: Live,
    }

    impl<M, F> PinnedDrop for Region<M, F> {
        fn drop(this: Pin<&mut Self>) {
            this.abandon();
        }
    }
}

pin_project_lite::pin_project! {
    #[project = BodyProj]
    #[project_replace = BodyReplace]
    enum Body<M, F> {
        Fresh { make: M },
        Running { #[pin] future: F },
        Done,
    }
}

/// Everything about a running region that need not be pinned.
struct Live {
    nature: Nature,
    /// It has been pending, and is not done: `registered` is with its token.
    is_begun: bool,
    /// Nobody has needed the token so far: `registered` is with what stands in for it.
    is_unmade: bool,
    /// The token of a body that unwound when `registered` was with its stand-in.
    unwound: Option<CancellationToken>,
    /// The waker that is registered, or, if it rides, the one that the deadline's alarm wakes.
    waker: Option<SameWaker>,
    /// Without a token and not registered, for the scope outside is polled by the same task and woken by the same cancel.
    is_riding: bool,
    /// It is not the one of the frame outside, so check points out there count us.
    is_foreign: bool,
    hold: Hold,
    /// What is pending inside.
    inside: Counts,
    /// The token's own deadline, if this task is the one that watches it.
    deadline: Option<Delay>,
    /// The token wants attention for that only.
    is_alone: bool,
    /// Running since the cancel was seen, if there is a grace; over, if a source has ended it.
    grace: Option<Delay>,
}

/// Tells a waker again that has been cloned elsewhere, where it is kept as long as this is asked: as
/// [`Waker::will_wake`], without a clone of its own.
#[derive(Clone, Copy)]
struct SameWaker {
    data: usize,
    vtable: &'static RawWakerVTable,
}

impl SameWaker {
    fn of(waker: &Waker) -> Self {
        Self {
            data: waker.data().addr(),
            vtable: waker.vtable(),
        }
    }

    #[inline]
    fn is(&self, waker: &Waker) -> bool {
        self.data == waker.data().addr() && ptr::eq(self.vtable, waker.vtable())
    }
}

/// Cancels the token of a region whose body unwinds in its first poll, and leaves it with the region, so that the body's
/// remains are dropped under it.
struct UnmadeOnUnwind<'a> {
    /// Made now if nobody needed it before: destructors may.
    token: &'a dyn Fn() -> CancellationToken,
    registered: Pin<&'a mut Registered<CancellationToken>>,
    is_begun: &'a mut bool,
    nature: &'a Nature,
}

impl Drop for UnmadeOnUnwind<'_> {
    fn drop(&mut self) {
        let token = (self.token)();
        if self.nature.owns_token {
            abandon_token(&token, self.nature.location);
        }
        self.registered.as_mut().adopt(token);
        *self.is_begun = true;
    }
}

/// The same in a later poll, where the region is registered with what stands in for its token.
struct LaterOnUnwind<'a> {
    token: &'a dyn Fn() -> CancellationToken,
    nature: &'a Nature,
    unwound: &'a mut Option<CancellationToken>,
}

impl Drop for LaterOnUnwind<'_> {
    fn drop(&mut self) {
        let token = (self.token)();
        if self.nature.owns_token {
            abandon_token(&token, self.nature.location);
        }
        *self.unwound = Some(token);
    }
}

#[cold]
fn abandon_token(token: &CancellationToken, location: &'static Location<'static>) {
    if !token.is_cancelled() {
        token.cancel_with(CancelReason::dropped_at(location));
    }
}

/// A scope is over: stragglers that still hold its token are told.
pub(super) fn end_token(token: &CancellationToken, location: &'static Location<'static>) {
    if !token.is_unshared() && !token.is_cancelled() {
        token.cancel_with(CancelReason::scope_ended(location));
    }
}

/// Runs `f` on this thread with a token of its own, which is made only if somebody needs it. `f` is told whether that would be
/// cancelled from the start, and handed its frame.
pub(super) fn enter_sync<R>(
    origin: &dyn Origin,
    about: &About,
    location: &'static Location<'static>,
    f: impl FnOnce(bool, &Frame<'_>) -> R,
) -> R {
    struct OnUnwind<'a>(&'a Unmade<'a>, &'static Location<'static>);

    impl Drop for OnUnwind<'_> {
        fn drop(&mut self) {
            if let Some(token) = self.0.made() {
                abandon_token(token, self.1);
            }
        }
    }

    with_frame(|outer| {
        let is_cancelled = origin.is_cancelled(outer) || probe::is_watched();
        let mut unmade = Unmade::new(origin);
        let frame = Frame::lazy(&unmade, origin.state(outer), about, None);
        let (value, _) = frame.enter(|| {
            if origin.is_needed_at_once() {
                frame.token();
            }
            let unwinding = OnUnwind(&unmade, location);
            let value = f(is_cancelled, &frame);
            mem::forget(unwinding);
            value
        });
        if let Some(token) = unmade.take_made() {
            end_token(&token, location);
        }
        value
    })
}

impl Nature {
    /// Runs `f` in the frame of the region's `token`; if it unwinds, that is cancelled, provided it is the region's own.
    #[inline]
    fn enter<R>(&self, frame: &Frame<'_>, token: &CancellationToken, f: impl FnOnce() -> R) -> (R, Counts) {
        struct OnUnwind<'a>(&'a Nature, &'a CancellationToken);

        impl Drop for OnUnwind<'_> {
            fn drop(&mut self) {
                if self.0.owns_token {
                    abandon_token(self.1, self.0.location);
                }
            }
        }

        let unwinding = OnUnwind(self, token);
        let result = frame.enter(f);
        mem::forget(unwinding);
        result
    }
}

impl<M, F> Region<M, F> {
    pub(crate) fn new(nature: Nature, make: M) -> Self {
        Self {
            registered: Registered::new(CancellationToken::never()),
            body: Body::Fresh { make },
            live: Live {
                nature,
                is_begun: false,
                is_unmade: false,
                unwound: None,
                waker: None,
                is_riding: false,
                is_alone: false,
                is_foreign: false,
                hold: Hold::new(),
                inside: Counts::NOTHING,
                deadline: None,
                grace: None,
            },
        }
    }

    /// The same region, not yet polled, as something else.
    pub(crate) fn with_nature(self, nature: Nature) -> Self {
        // `Region` has a destructor, so its parts cannot be moved out of it.
        let mut this = self;
        this.live.nature = nature;
        this
    }

    pub(super) fn set_grace(self: Pin<&mut Self>, grace: Option<Duration>) {
        self.project().live.nature.about.grace = grace;
    }

    /// Ends the grace of a cancelled region, if it has one or not: its body goes when it is pending again.
    pub(super) fn force(self: Pin<&mut Self>) {
        self.project().live.grace = Some(Delay::over());
    }

    /// Cancels a running region's own token, and has it end with its body or without; one that has not started never will
    /// (`false`).
    pub(super) fn supersede(self: Pin<&mut Self>) -> bool {
        let mut this = self.project();
        this.live.nature.is_check_point = true;
        if this.live.is_begun {
            let reason = CancelReason::superseded(this.live.nature.location);
            this.registered.token().cancel_with(reason);
        } else {
            this.body.set(Body::Done);
        }
        this.live.is_begun
    }

    /// The region goes away: dropped, or done. Cancels first and drops the body after, so that a destructor that waits
    /// for the scope's threads does not wait for ever; and drops it within the region's frame.
    fn abandon(self: Pin<&mut Self>) {
        let this = self.project();
        let live = this.live;
        let mut body = this.body;
        // Otherwise it never was pending, or has cleaned up when it was done.
        if live.is_begun {
            let mut registered = this.registered;
            registered.as_mut().unregister();
            let is_running = matches!(body.as_mut().project(), BodyProj::Running { .. });
            let token = live.unwound.as_ref().unwrap_or_else(|| registered.token());
            if live.is_unmade && live.unwound.is_none() {
                if is_running {
                    // Destructors may ask for it, and see it cancelled.
                    let (stand_in, location) = (token.clone(), live.nature.location);
                    let dropped = Dropped { stand_in, location };
                    let unmade = Unmade::new(&dropped);
                    let frame = Frame::lazy(&unmade, dropped.state(None), &live.nature.about, None);
                    frame.enter(|| body.as_mut().project_replace(Body::Done));
                }
            } else {
                if is_running && live.nature.owns_token {
                    abandon_token(token, live.nature.location);
                }
                Frame::new(token, &live.nature.about, None).enter(|| body.as_mut().project_replace(Body::Done));
            }
            live.deadline = None;
            live.grace = None;
            live.leave();
        }
    }
}

impl Live {
    /// The usual end of a poll that began without a cancel and is pending: nothing begun or ended inside, and registered
    /// with this waker already. A cancel that came in its middle has woken that, so there will be another poll.
    #[inline]
    fn is_as_before(&self, change: Counts, is_foreign: bool, cx: &Context<'_>) -> bool {
        change == Counts::NOTHING
            && self.is_foreign == is_foreign
            && self.waker.as_ref().is_some_and(|waker| waker.is(cx.waker()))
    }

    /// As a check point inside does, a region without a token leaves the waiting for its parent to the scope outside, if
    /// that has the parent as its token: polled in the same poll, that registers this very waker.
    #[inline]
    fn can_ride(stand_in: &CancellationToken, waker: &Waker) -> bool {
        let is_outside = |outer: &Frame<'_>| (stand_in.is_never() || outer.is_of(stand_in)) && outer.wakes(waker);
        with_frame(|outer| outer.map_or(stand_in.is_never(), is_outside))
    }

    /// It has been carried off, or is polled under another waker than the scope outside.
    #[inline]
    fn has_lost_its_ride(&self, stand_in: &CancellationToken, cx: &Context<'_>) -> bool {
        self.is_riding && !Self::can_ride(stand_in, cx.waker())
    }

    /// What check points may look at instead of having the token attended to.
    fn watched(&self) -> Option<&Delay> {
        self.deadline.as_ref().filter(|_| self.is_alone)
    }

    /// Takes back what check points outside have counted.
    fn leave(&mut self) {
        self.hold.set(false);
        self.set_foreign(false);
    }

    fn set_foreign(&mut self, is_foreign: bool) {
        if self.is_foreign != is_foreign {
            self.is_foreign = is_foreign;
            count(Counts::ONE_FOREIGN, is_foreign);
        }
    }
}

/// Polls a running body; when it is done, its remains are dropped in here.
fn poll_body<M, F: Future>(mut body: Pin<&mut Body<M, F>>, cx: &mut Context<'_>) -> Poll<F::Output> {
    let BodyProj::Running { future } = body.as_mut().project() else {
        unreachable!("the body is running")
    };
    let poll = future.poll(cx);
    if poll.is_ready() {
        body.project_replace(Body::Done);
    }
    poll
}

impl<M, F> Region<M, F>
where
    M: Make<F>,
    F: Future,
{
    /// Polls the body. `begin` says, while there is no token, where it comes from. `end` makes the caller's output; called
    /// where the result is, it leaves less to be moved and looked at on every poll.
    #[inline]
    pub(crate) fn poll_region<'o, R>(
        mut self: Pin<&mut Self>,
        begin: impl FnOnce() -> &'o dyn Origin,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        let this = self.as_mut().project();
        let live = this.live;
        let BodyProj::Running { future } = this.body.project() else {
            return self.poll_at_the_ends(begin, cx, end);
        };
        let registered = this.registered.into_ref();
        let token = registered.token();
        if live.is_unmade || !token.is_quiet() {
            return self.poll_with_care(begin, cx, end);
        }
        let frame = Frame::new(token, &live.nature.about, Some(cx.waker()));
        let (poll, change) = live.nature.enter(&frame, token, || future.poll(cx));
        if let Poll::Ready(output) = poll {
            self.finish();
            return Poll::Ready(end(Ok(output)));
        }
        let is_foreign = !frame.outer_wakes(cx.waker());
        if live.is_as_before(change, is_foreign, cx) {
            return Poll::Pending;
        }
        self.pending(&Before::default(), change, is_foreign, cx)
            .map(|cancelled| end(Err(cancelled)))
    }

    /// The first poll, or one too many.
    #[inline(never)]
    fn poll_at_the_ends<'o, R>(
        self: Pin<&mut Self>,
        begin: impl FnOnce() -> &'o dyn Origin,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        assert!(
            matches!(self.body, Body::Fresh { .. }),
            "a scope, shield or ambient future was polled after it had completed"
        );
        self.first_poll(begin(), cx, end)
    }

    /// A poll that has more to see to than the body: a token that may have to be made, a deadline, or a cancel.
    #[inline(never)]
    fn poll_with_care<'o, R>(
        mut self: Pin<&mut Self>,
        begin: impl FnOnce() -> &'o dyn Origin,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        if self.live.is_unmade {
            let origin = begin();
            if !self.as_mut().is_made(origin, cx) {
                return self.poll_unmade(origin, cx, end);
            }
        }
        let this = self.as_mut().project();
        let live = this.live;
        let BodyProj::Running { future } = this.body.project() else {
            unreachable!("the region is running")
        };
        let registered = this.registered.into_ref();
        let token = registered.token();
        if live.deadline.as_ref().is_some_and(|deadline| !deadline.is_quiet()) {
            live.poll_deadline(token, cx);
        }
        // Not `is_cancelled`, which would have the deadline watched by a thread: this task does.
        let cancelled = token.is_marked();
        // What cannot fail need not know who was told, nor be patient.
        let foreign = cancelled && with_frame(|outer| outer.is_some_and(|outer| !outer.wakes(cx.waker())));
        let before = Before {
            cancelled,
            foreign,
            told: cancelled && live.nature.is_check_point && Before::is_told(token, foreign),
            inside: live.inside,
        };
        let watched = live.watched().map(|deadline| Watched::new(token, deadline));
        let (about, waker) = (&live.nature.about, Some(cx.waker()));
        let frame = match &watched {
            Some(watched) => Frame::lazy(watched, token.state_ref(), about, waker),
            None => Frame::new(token, about, waker),
        };
        let (poll, change) = live.nature.enter(&frame, token, || before.poll(&frame, future, cx));
        if let Poll::Ready(output) = poll {
            self.finish();
            return Poll::Ready(end(Ok(output)));
        }
        let is_foreign = !frame.outer_wakes(cx.waker());
        if !cancelled && live.is_as_before(change, is_foreign, cx) {
            return Poll::Pending;
        }
        self.pending(&before, change, is_foreign, cx)
            .map(|cancelled| end(Err(cancelled)))
    }

    /// Does the region need its token before this poll? Then it is made.
    fn is_made(mut self: Pin<&mut Self>, origin: &dyn Origin, cx: &mut Context<'_>) -> bool {
        let this = self.as_mut().project();
        let live = this.live;
        let stand_in = this.registered.as_ref().get_ref().token();
        let token = match live.unwound.take() {
            // It panicked in the poll before, and is polled all the same.
            Some(token) => token,
            None if stand_in.is_marked() || live.has_lost_its_ride(stand_in, cx) || live.has_deadline_come(cx) => {
                origin.make_below(stand_in)
            }
            None => return false,
        };
        self.settle(token);
        true
    }

    /// A poll while nobody has needed the token.
    fn poll_unmade<R>(
        mut self: Pin<&mut Self>,
        origin: &dyn Origin,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        let this = self.as_mut().project();
        let (live, mut body) = (this.live, this.body);
        let stand_in = this.registered.as_ref().get_ref().token();
        let below = Below {
            stand_in,
            is_riding: live.is_riding,
            deadline: live.deadline.as_ref(),
        };
        let mut unmade = Unmade::below(below, origin);
        let frame = Frame::lazy(
            &unmade,
            origin.state_below(stand_in),
            &live.nature.about,
            Some(cx.waker()),
        );
        let unwinding = LaterOnUnwind {
            token: &|| frame.token().clone(),
            nature: &live.nature,
            unwound: &mut live.unwound,
        };
        let (poll, change) = frame.enter(|| poll_body(body.as_mut(), cx));
        mem::forget(unwinding);
        let is_foreign = !frame.outer_wakes(cx.waker());
        match (poll, unmade.take_made()) {
            (Poll::Ready(output), made) => {
                if let (Some(token), true) = (made, live.nature.owns_token) {
                    end_token(&token, live.nature.location);
                }
                self.finish();
                Poll::Ready(end(Ok(output)))
            }
            (Poll::Pending, None) if live.is_as_before(change, is_foreign, cx) => Poll::Pending,
            (Poll::Pending, made) => {
                if let Some(token) = made {
                    self.as_mut().settle(token);
                }
                self.pending(&Before::default(), change, is_foreign, cx)
                    .map(|cancelled| end(Err(cancelled)))
            }
        }
    }

    /// The token has been made: it is what the region waits for from now on.
    fn settle(self: Pin<&mut Self>, token: CancellationToken) {
        let this = self.project();
        let live = this.live;
        this.registered.adopt(token);
        live.is_unmade = false;
        live.is_riding = false;
        live.waker = None;
    }

    /// The less usual ends of a pending poll.
    #[inline(never)]
    fn pending(
        mut self: Pin<&mut Self>,
        before: &Before,
        change: Counts,
        is_foreign: bool,
        cx: &mut Context<'_>,
    ) -> Poll<Cancelled> {
        let this = self.as_mut().project();
        let live = this.live;
        let mut registered = this.registered;
        let token = registered.token();
        live.inside = live.inside.plus(change);
        if live.nature.shields {
            live.hold.set(true);
        }
        if let Some(cause) = token.marked_cause() {
            if !before.cancelled {
                // It came in the middle of this poll: let what is inside notice first. Not registered perhaps, but to be
                // polled under this waker before what is outside may drop it.
                if live.nature.is_check_point {
                    live.set_foreign(is_foreign);
                }
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            if !live.nature.is_check_point {
                // Somebody inside notices, or nobody does.
                return Poll::Pending;
            }
            let is_forced = live.poll_grace(cx);
            if !is_forced && !before.may_fail(&cause, live.inside, cx) {
                return Poll::Pending;
            }
            let frame = Frame::new(token, &live.nature.about, None);
            let (notice, _) = frame.enter(|| frame.notice(live.nature.location));
            self.abandon();
            return match notice {
                Some(cancelled) if is_forced => Poll::Ready(cancelled.forced()),
                Some(cancelled) => Poll::Ready(cancelled),
                None => unreachable!("a cancelled token has a cause"),
            };
        }

        let registered_waker = live.waker.as_ref();
        if registered_waker.is_some_and(|waker| waker.is(cx.waker())) && live.is_foreign == is_foreign {
            return Poll::Pending;
        }
        if registered_waker.is_none() && !live.is_unmade {
            live.watch_deadline(token, cx);
        } else if registered_waker.is_some() || live.deadline.as_ref().is_some_and(|deadline| !deadline.is_quiet()) {
            // It is to wake this waker from now on.
            live.poll_deadline(token, cx);
        }
        if live.is_riding {
            // The waker is kept by the alarm; without one, there is none to be kept.
            let is_kept = live.deadline.as_ref().is_some_and(Delay::is_quiet);
            live.waker = is_kept.then(|| SameWaker::of(cx.waker()));
            return Poll::Pending;
        }
        if live.is_foreign != is_foreign {
            // The two kinds have different places in the list.
            live.waker = None;
            registered.as_mut().unregister();
        }
        if registered.as_mut().register(cx.waker(), is_foreign) {
            live.waker = Some(SameWaker::of(cx.waker()));
            live.set_foreign(is_foreign);
        } else {
            // Cancelled since the body was polled: let what is inside notice first.
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// The first poll, which makes the token only if it must.
    fn first_poll<R>(
        mut self: Pin<&mut Self>,
        origin: &dyn Origin,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        with_frame(|outer| {
            let mut this = self.as_mut().project();
            let (nature, mut body) = (&this.live.nature, this.body);
            let BodyReplace::Fresh { make } = body.as_mut().project_replace(Body::Done) else {
                unreachable!("only a fresh region is polled for the first time")
            };
            let is_cancelled = nature.is_check_point && (origin.is_cancelled(outer) || probe::is_watched());
            let mut unmade = Unmade::new(origin);
            let frame = Frame::lazy(&unmade, origin.state(outer), &nature.about, Some(cx.waker()));
            if is_cancelled {
                if let Some(cancelled) = frame.enter(|| frame.notice(nature.location)).0 {
                    return Poll::Ready(end(Err(cancelled)));
                }
            }
            if origin.is_needed_at_once() {
                frame.enter(|| drop(frame.token().clone()));
            }
            let unwinding = UnmadeOnUnwind {
                token: &|| frame.token().clone(),
                registered: this.registered.as_mut(),
                is_begun: &mut this.live.is_begun,
                nature,
            };
            let (poll, change) = frame.enter(|| {
                let future = make.make(|| frame.token().clone());
                body.set(Body::Running { future });
                poll_body(body.as_mut(), cx)
            });
            mem::forget(unwinding);
            if let Poll::Ready(output) = poll {
                if let Some(token) = unmade.take_made() {
                    if nature.owns_token {
                        end_token(&token, nature.location);
                    }
                }
                return Poll::Ready(end(Ok(output)));
            }
            let is_foreign = !frame.outer_wakes(cx.waker());
            let live = this.live;
            let stand_in = || {
                let stand_in = origin.stand_in(outer)?;
                live.is_riding = Live::can_ride(&stand_in, cx.waker());
                // Whoever waits for a token relies on its deadline being watched; one that no thread can watch has to be
                // asked for.
                if !live.is_riding && !stand_in.is_quiet() && stand_in.attend() {
                    return None;
                }
                live.is_unmade = true;
                if let Some((at, is_virtual)) = origin.deadline() {
                    Delay::arm(&mut live.deadline, at, is_virtual, cx.waker());
                }
                Some(stand_in)
            };
            let token = unmade
                .take_made()
                .or_else(stand_in)
                .unwrap_or_else(|| origin.make(outer));
            this.registered.adopt(token);
            live.is_begun = true;
            // Had it been cancelled when the poll began, there would have been none.
            self.as_mut()
                .pending(&Before::default(), change, is_foreign, cx)
                .map(|cancelled| end(Err(cancelled)))
        })
    }

    /// The body is done: end the token, inside whose frame the body's remains are dropped.
    fn finish(self: Pin<&mut Self>) {
        let this = self.project();
        let live = this.live;
        let (mut body, mut registered) = (this.body, this.registered);
        if !live.is_unmade {
            registered.as_mut().unregister();
            let token = registered.token();
            Frame::new(token, &live.nature.about, None).enter(|| body.as_mut().project_replace(Body::Done));
            if live.nature.owns_token {
                end_token(token, live.nature.location);
            }
        }
        registered.as_mut().adopt(CancellationToken::never());
        live.is_begun = false;
        live.deadline = None;
        live.grace = None;
        live.leave();
    }
}

impl Live {
    /// If not, this task will be woken when it has.
    fn has_deadline_come(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.deadline.as_mut();
        deadline.is_some_and(|deadline| !deadline.is_quiet() && Pin::new(deadline).poll(cx).is_ready())
    }

    fn poll_deadline(&mut self, token: &CancellationToken, cx: &mut Context<'_>) {
        if let Some(deadline) = &mut self.deadline {
            if Pin::new(deadline).poll(cx).is_ready() {
                if self.is_unmade {
                    // It is made in the next poll.
                    cx.waker().wake_by_ref();
                    return;
                }
                self.deadline = None;
                if let Some(reason) = token.deadline_reason() {
                    token.expire(reason);
                }
            }
        }
    }

    /// Watches the token's deadline from this task, if nobody does so far. The token goes on wanting attention: whoever
    /// else asks it, or hangs on it, has it watched for everybody, by the timer thread. Few do, and this is cheaper.
    fn watch_deadline(&mut self, token: &CancellationToken, cx: &mut Context<'_>) {
        let unwatched = if token.is_quiet() {
            None
        } else {
            token.own_unwatched_deadline()
        };
        match unwatched {
            None => self.deadline = None,
            // Since before the token was made, and by the clock of that time.
            Some(Unwatched { is_alone, .. }) if self.deadline.is_some() => {
                self.is_alone = is_alone;
                self.poll_deadline(token, cx);
            }
            Some(Unwatched {
                at,
                is_virtual,
                is_alone,
            }) => {
                self.is_alone = is_alone;
                Delay::arm(&mut self.deadline, at, is_virtual, cx.waker());
                if is_virtual {
                    self.poll_deadline(token, cx);
                }
            }
        }
    }

    /// Has a cancelled body outstayed its grace?
    fn poll_grace(&mut self, cx: &mut Context<'_>) -> bool {
        let after = self.nature.about.grace;
        let grace = match (&mut self.grace, after) {
            (Some(grace), _) => grace,
            (none, Some(after)) => none.insert(Delay::after(after)),
            (None, None) => return false,
        };
        Pin::new(grace).poll(cx).is_ready()
    }
}

pin_project_lite::pin_project! {
    /// A future under a token that exists already, or under the one that is ambient where it was made.
    pub(crate) struct Ambient<M, F> {
        token: CancellationToken,
        #[pin]
        region: Region<M, F>,
    }
}

impl<M, F> Ambient<M, F>
where
    M: Make<F>,
    F: Future,
{
    pub(crate) fn new(token: CancellationToken, nature: Nature, make: M) -> Self {
        Self {
            token,
            region: Region::new(nature, make),
        }
    }

    #[inline]
    pub(crate) fn poll_ambient<R>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        end: impl FnOnce(Result<F::Output, Cancelled>) -> R,
    ) -> Poll<R> {
        let this = self.project();
        let existing = Existing(this.token);
        this.region.poll_region(|| &existing, cx, end)
    }
}

impl Nature {
    /// A token made ambient and nothing more.
    pub(crate) fn ambient(location: &'static Location<'static>) -> Self {
        Self {
            is_check_point: false,
            owns_token: false,
            shields: false,
            about: About::default(),
            location,
        }
    }

    pub(crate) fn carried(carried: Carried, location: &'static Location<'static>) -> (CancellationToken, Self) {
        let (token, about) = carried.into_parts();
        (
            token,
            Self {
                about,
                ..Self::ambient(location)
            },
        )
    }
}
