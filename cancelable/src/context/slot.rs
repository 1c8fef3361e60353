//! The thread-local slot: which frame of which scope the code now running on this thread is in.
//!
//! A frame lives on the stack for the length of one poll, or of one sync scope; the slot points to the innermost. The
//! only unsafe code of this layer is here. It relies on one rule: *the slot points to a frame only while
//! [`Frame::enter`] of that frame is on this thread's stack*, which `enter` sees to on every way out, unwinding
//! included. (The shape, swap in and swap back on drop, is that of tokio's runtime context and tracing's dispatcher.)

use std::borrow::Cow;
use std::cell::Cell;
use std::mem;
use std::panic::Location;
use std::ptr;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::hosts;
use super::late::{LatePlace, LateSlot, LateToken, Ridden, peek};
use super::notes::{self, Mark, Owner, Role, is_noted_since, is_silent_since, mark};
use super::probe;
use crate::cause::Cause;
use crate::check_point::CheckPoint;
use crate::clock::Glance;
use crate::counted;
use crate::error::Cancelled;
#[cfg(feature = "registry")]
use crate::live::OutsideCancels;
use crate::meter::{self, Event};
#[cfg(feature = "registry")]
use crate::observe::Record;
use crate::observe::{self, Observed, Pass};
use crate::path::Path;
use crate::pending::{Kind, Of, Pending, Place, Question};
use crate::primitive::Arc;
use crate::reason::ReasonKind;
use crate::runtime::Task;
use crate::token::{CancellationToken, StateRef, pulse};

thread_local! {
    /// Const-initialised and without a destructor: reading it is one load, at any time in the life of the thread.
    static INNERMOST: Cell<*const Frame<'static>> = const { Cell::new(ptr::null()) };
}

#[cfg(feature = "registry")]
thread_local! {
    /// Whose check points are passed: null, or the record in the `about` of a frame that is in the chain. Kept by [`Frame::watch`].
    static WATCHED: Cell<*const Record> = const { Cell::new(ptr::null()) };
}

/// What the frame outside is to this one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Outside {
    /// The code round it: a scope in a scope.
    #[default]
    Round,
    /// The same, behind a shield.
    Shielded,
    /// Whoever happens to run this one, which was given its token or carried here.
    Stranger,
}

/// What a frame says of itself besides its token.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    pub(crate) outside: Outside,
    /// Of the scope.
    pub(crate) name: Option<Cow<'static, str>>,
    /// The named scopes where its token was taken along, if it was.
    pub(crate) above: Path,
    /// How long what is cancelled in here may take to get out.
    pub(crate) grace: Option<Duration>,
    /// Does somebody outside catch those who leave by unwinding? `None`: that is for the frame outside to say, whatever it is to
    /// this one, for it is passed on the way; unless that is another task's, for its runtime catches what comes out of one.
    pub(crate) catches: Option<bool>,
    /// By whom, if its scope has a name, or it is in one that has.
    pub(crate) observed: Observed,
}

impl About {
    /// Of a frame whose token was given.
    pub(crate) const GIVEN: &'static Self = &Self::nothing(Outside::Stranger);
    /// Of the code round it, and nothing else.
    pub(crate) const ROUND: &'static Self = &Self::nothing(Outside::Round);
    /// Of a shield.
    pub(crate) const SHIELD: &'static Self = &Self::nothing(Outside::Shielded);

    /// Only this.
    pub(crate) const fn nothing(outside: Outside) -> Self {
        Self {
            outside,
            name: None,
            above: Path::none(),
            grace: None,
            catches: None,
            observed: Observed::NONE,
        }
    }
}

/// Until when a token that has not been made is certainly not cancelled: as long as this state is quiet, and this moment has not
/// come.
#[derive(Clone, Copy)]
pub(crate) struct Outlook<'a> {
    state: StateRef<'a>,
    until: Option<Instant>,
    /// If it may be cancelled from outside, which makes it: as long as no such scope has been.
    #[cfg(feature = "registry")]
    outside: Option<OutsideCancels>,
}

impl<'a> Outlook<'a> {
    /// Below nothing.
    pub(crate) fn bright() -> Self {
        Self::of(StateRef::never())
    }

    /// Below a token.
    pub(crate) fn of(state: StateRef<'a>) -> Self {
        Self {
            state,
            until: None,
            #[cfg(feature = "registry")]
            outside: None,
        }
    }

    /// Of a scope that is observed, and may be cancelled by who does so from now on.
    #[inline]
    pub(crate) fn observed(self) -> Self {
        Self {
            #[cfg(feature = "registry")]
            outside: self.outside.or_else(|| Some(OutsideCancels::so_far())),
            ..self
        }
    }

    /// Has no such scope been cancelled from outside?
    #[inline(always)]
    fn is_left_alone(&self) -> bool {
        #[cfg(feature = "registry")]
        return self.outside.is_none_or(|so_far| so_far == OutsideCancels::so_far());
        #[cfg(not(feature = "registry"))]
        true
    }

    #[inline(always)]
    fn wants_looks(&self) -> bool {
        #[cfg(feature = "registry")]
        return self.until.is_some() || self.outside.is_some();
        #[cfg(not(feature = "registry"))]
        self.until.is_some()
    }

    /// With a deadline by the wall's clock.
    #[inline]
    pub(crate) fn until(self, at: Instant) -> Self {
        Self {
            until: Some(self.until.map_or(at, |until| until.min(at))),
            ..self
        }
    }

    /// Does it end by this moment, if that comes?
    #[inline]
    pub(crate) fn ends_by(&self, at: Instant) -> bool {
        self.until.is_some_and(|until| until <= at)
    }

    /// Does it end before this moment, if that comes?
    #[inline]
    pub(crate) fn ends_before(&self, at: Instant) -> bool {
        self.until.is_some_and(|until| until < at)
    }

    /// What check points ask who have this.
    #[inline]
    pub(crate) fn state(self) -> StateRef<'a> {
        if self.wants_looks() {
            StateRef::wants_attention()
        } else {
            self.state
        }
    }

    /// As [`is_clear`](Self::is_clear), for one who does not look at the clock for it, but has done so perhaps.
    #[inline]
    pub(crate) fn is_known_clear(&self, glance: &Glance) -> bool {
        let is_before = |until| glance.taken().is_some_and(|now| now < until);
        self.state.is_quiet() && self.until.is_none_or(is_before) && self.is_left_alone()
    }

    fn wants_pulse(self) -> bool {
        self.state.wants_pulse()
    }

    /// With a glance at the clock, if there is to be one.
    #[inline]
    pub(crate) fn is_clear(&self, glance: Option<&Glance>) -> bool {
        self.state.is_quiet()
            && self.is_left_alone()
            && match (self.until, glance) {
                (Some(until), Some(glance)) => glance.now() < until,
                _ => true,
            }
    }
}

/// A token that is made when somebody first needs it.
pub(crate) trait LazyToken {
    /// The token, made now if need be, as seen from inside the frame `outer`.
    fn get(&self, outer: Option<&Frame<'_>>) -> &CancellationToken;
    /// Has it still to be made, below the token of the frame outside?
    fn wants_outer(&self) -> bool;
    /// For one who may never need it, and is polled in this frame with its waker.
    fn late(&self) -> Ridden;
    /// Makes what is shared with those, below this of the frame outside if that has it. `None`: the token has been made meanwhile.
    fn make_late(&self, frame: &Frame<'_>, outside: Option<Arc<LateToken>>) -> Option<Arc<LateToken>>;
    /// The token, if it was there from the start, and the place for what is shared with those who ride.
    fn given(&self) -> Option<(&CancellationToken, &LateSlot)>;
    /// The place for what is shared.
    fn place(&self) -> Option<&LateSlot>;
    /// If somebody rides, they are to look.
    fn wake_riders(&self);
    /// Can it be told, without having the token made, that it would not be cancelled? With a glance at the clock, if there is
    /// to be one.
    fn is_clear(&self, glance: Option<&Glance>) -> bool;
    /// Until when that can be told. `None`: it cannot.
    fn outlook(&self) -> Option<Outlook<'_>>;
    /// Has it been made, and is it neither cancelled nor in want of a closer look?
    fn is_made_and_quiet(&self) -> bool;
    /// Whom check points on this thread are to ask.
    fn host(&self) -> Option<&dyn Host>;
}

/// Somebody who says whether a scope is to be cancelled, and has to be asked on the thread that the scope runs on.
pub(crate) trait Host {
    /// Asks, if it is time, and cancels the token of `frame`, the scope's, if the answer is yes. Runs the user's code.
    fn ask_if_due(&self, frame: &Frame<'_>);
}

/// The token of a frame, now or when it is needed.
#[derive(Clone, Copy)]
enum TokenOf<'a> {
    /// With the place for what is shared with those who ride on its region, if it is one's.
    Made(&'a CancellationToken, Option<&'a LateSlot>),
    Lazy(&'a dyn LazyToken),
}

/// One stretch of running code with its ambient token.
pub(crate) struct Frame<'a> {
    /// What check points ask: the token's state, or, until there is a token, one that speaks for it.
    state: Cell<StateRef<'a>>,
    /// What awaits ask: the same; or, in a branch, one that has them count themselves.
    awaits: Cell<StateRef<'a>>,
    token: TokenOf<'a>,
    about: &'a About,
    /// The waker that the scope has woken by a cancel; `None` in sync code.
    waker: Option<&'a Waker>,
    /// In which it was entered. Those that are driven from within are not cancelled by it.
    task: Task,
    outer: Cell<*const Frame<'static>>,
    /// Its state wants attention so that who asks first is noticed; then it is that of the frame outside.
    is_unasked: Cell<bool>,
    /// It is in a branch of a `race` or `try_join`.
    counts_awaits: Cell<bool>,
}

impl<'a> Frame<'a> {
    #[inline]
    pub(crate) fn new(token: &'a CancellationToken, about: &'a About, waker: Option<&'a Waker>) -> Self {
        Self::with(token.state_ref(), TokenOf::Made(token, None), about, waker, Task::ANY)
    }

    /// Of a region of this task alone, on which others may ride.
    #[inline(always)]
    pub(crate) fn ridden(
        token: &'a CancellationToken,
        place: &'a LateSlot,
        about: &'a About,
        waker: &'a Waker,
        task: Task,
    ) -> Self {
        let state = token.state_ref();
        Self::with(state, TokenOf::Made(token, Some(place)), about, Some(waker), task)
    }

    /// A frame, of this task alone, whose token has not been made: until then check points ask `state`, which must not be quiet if the token
    /// would be cancelled or want attention.
    #[inline]
    pub(crate) fn lazy(
        token: &'a dyn LazyToken,
        state: StateRef<'a>,
        about: &'a About,
        waker: Option<&'a Waker>,
        task: Task,
    ) -> Self {
        Self::with(state, TokenOf::Lazy(token), about, waker, task)
    }

    #[inline(always)]
    fn with(state: StateRef<'a>, token: TokenOf<'a>, about: &'a About, waker: Option<&'a Waker>, task: Task) -> Self {
        let state = observed(state);
        Self {
            state: Cell::new(state),
            awaits: Cell::new(state),
            token,
            about,
            waker,
            task,
            outer: Cell::new(ptr::null()),
            is_unasked: Cell::new(false),
            counts_awaits: Cell::new(false),
        }
    }

    /// The same, of this task alone.
    #[inline(always)]
    pub(crate) fn of(self, task: Task) -> Self {
        Self { task, ..self }
    }

    /// From now on, has nobody asked whether it is cancelled, or for its token? For one whose token is made below that of the frame
    /// outside.
    #[inline(always)]
    pub(crate) fn await_question(&self) {
        self.count_awaits();
        self.is_unasked.set(true);
    }

    /// Awaits and scopes in here, and in frames that are entered in here, are counted from now on, each time they
    /// are polled ([`is_silent_since`](super::is_silent_since)).
    #[inline(always)]
    pub(crate) fn count_awaits(&self) {
        self.state.set(StateRef::wants_attention());
        self.awaits.set(StateRef::wants_attention());
        self.counts_awaits.set(true);
    }

    /// Where awaits are counted: who asks next is noticed.
    #[inline]
    pub(crate) fn await_first_question(&self) {
        if self.counts_awaits() {
            self.state.set(StateRef::wants_attention());
        }
    }

    #[inline(always)]
    pub(crate) fn counts_awaits(&self) -> bool {
        self.counts_awaits.get()
    }

    /// Has nobody since?
    #[inline(always)]
    pub(crate) fn is_unasked(&self) -> bool {
        self.is_unasked.get()
    }

    /// Somebody asks.
    #[cold]
    fn asked(&self) {
        if self.counts_awaits() {
            counted::count();
            self.awaited();
            // The next one is not noticed, unless an await begins before.
            self.ask(self.token_state());
        }
    }

    /// Somebody begins an await, or asks.
    #[inline]
    fn awaited(&self) {
        if self.is_unasked.take() {
            if let Some(outer) = self.outer() {
                outer.asked();
            }
        }
    }

    /// What check points ask, if nobody need be noticed.
    fn token_state(&self) -> StateRef<'a> {
        match self.token {
            TokenOf::Made(token, _) => token.state_ref(),
            TokenOf::Lazy(token) => token.outlook().map_or(StateRef::wants_attention(), Outlook::state),
        }
    }

    /// What check points are to ask from now on.
    #[inline]
    fn ask(&self, state: StateRef<'a>) {
        let state = observed(state);
        self.state.set(state);
        if !self.counts_awaits() {
            self.awaits.set(state);
        }
    }

    /// Is the code now running that of the frame's task? Those of others have no ambient token: they were started elsewhere, and run
    /// here because somebody in here drives their executor.
    #[cold]
    pub(crate) fn is_ours(&self) -> bool {
        self.task.is_current()
    }

    /// Runs `f` with this frame as the innermost one. What was polled in it is the frame's outside from then on.
    #[inline]
    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        let (result, polled) = self.enter_and_keep(f);
        drop(polled);
        result
    }

    /// The same, for one who keeps what was polled.
    #[inline]
    pub(crate) fn enter_and_keep<R>(&self, f: impl FnOnce() -> R) -> (R, Polled) {
        /// Puts the outer frame back, whichever way `f` ends.
        struct Leave<'f, 'a> {
            frame: &'f Frame<'a>,
            is_measured: bool,
        }

        impl Drop for Leave<'_, '_> {
            #[inline]
            fn drop(&mut self) {
                self.frame.leave();
                self.frame.watch();
                if self.is_measured {
                    meter::leave();
                }
            }
        }

        let _entered = self.about.observed.enter();
        // The lifetimes are erased; the rule in the module's head makes up for it.
        self.outer.set(INNERMOST.replace(ptr::from_ref(self).cast()));
        self.watch();
        if let Some(outer) = self.outer() {
            if outer.counts_awaits() {
                self.enter_in_branch();
            }
        }
        let polled = Polled {
            owner: self.owner(),
            since: mark(),
        };
        let leave = Leave {
            frame: self,
            is_measured: meter::enter(|| self.is_apart()),
        };
        let result = f();
        drop(leave);
        (result, polled)
    }

    /// What is entered counts as an await does, and what is awaited in there counts, too.
    #[cold]
    fn enter_in_branch(&self) {
        counted::count();
        self.count_awaits();
    }

    /// Is it a poll of its own, and no part of one outside?
    fn is_apart(&self) -> bool {
        self.waker.is_some() && self.outer().is_none_or(|outer| outer.waker.is_none())
    }

    /// Of notes.
    pub(super) fn owner(&self) -> Owner {
        ptr::from_ref(self).addr()
    }

    /// Takes the frame out of the chain.
    #[inline(always)]
    fn leave(&self) {
        let this: *const Frame<'static> = ptr::from_ref(self).cast();
        if INNERMOST.get() == this {
            INNERMOST.set(self.outer.get());
        } else {
            self.leave_out_of_order();
        }
    }

    /// Frames were entered in here and not left: by a coroutine that is suspended. They go on without this one, each with a token
    /// of its own.
    #[cold]
    fn leave_out_of_order(&self) {
        let this: *const Frame<'static> = ptr::from_ref(self).cast();
        with(|innermost| {
            let mut inner = Vec::new();
            let mut at = innermost;
            while let Some(frame) = at {
                inner.push(frame);
                if frame.outer.get() == this {
                    // What they ask so far may be this one's.
                    for frame in inner.into_iter().rev() {
                        frame.token();
                    }
                    frame.outer.set(self.outer.get());
                    return;
                }
                at = frame.outer();
            }
        });
    }

    /// Is it this one? (Another one, where that was, if that has been left since.)
    #[inline]
    pub(crate) fn is_at(&self, address: usize) -> bool {
        self.address() == address
    }

    #[inline]
    pub(crate) fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Would a cancel of the frame outside, as it was entered, wake `waker` as well? So also if there is none.
    #[inline]
    pub(crate) fn outer_wakes(&self, waker: &Waker) -> bool {
        self.outer().is_none_or(|outer| outer.wakes(waker))
    }

    /// The frame that this one was entered in, or what has taken its place since; `None` before that, too.
    #[inline]
    pub(crate) fn outer(&self) -> Option<&Frame<'a>> {
        let outer: *const Frame<'a> = self.outer.get().cast();
        // SAFETY: set by `enter` of this frame, and what was entered outside it is so still, for it lies further down this thread's
        // stack; or, if this one has been put aside with a coroutine's stack, it is a frame that has not been left, for whichever is
        // left there puts the next one in its place (`leave_out_of_order`).
        unsafe { outer.as_ref() }
    }

    /// The same, if it is not another task's: what is below the code round this frame is below that.
    #[inline]
    pub(crate) fn outer_of_same_task(&self) -> Option<&Frame<'a>> {
        self.outer().filter(|outer| outer.task.is(self.task))
    }

    /// What the frame outside is to this one. One of another task is a stranger in any case: it drives this one's executor.
    #[inline]
    fn outside(&self) -> Outside {
        match self.outer() {
            Some(outer) if !outer.task.is(self.task) => Outside::Stranger,
            _ => self.about.outside,
        }
    }

    /// The frame's token; made now if it was not.
    #[inline]
    pub(crate) fn token(&self) -> &'a CancellationToken {
        match self.token {
            TokenOf::Made(token, _) => token,
            TokenOf::Lazy(token) => {
                self.is_unasked.set(false);
                if token.wants_outer() {
                    self.make_outer_tokens();
                }
                let token = token.get(self.outer_of_same_task());
                self.ask(token.state_ref());
                self.await_first_question();
                token
            }
        }
    }

    /// From the outermost inwards: as deep as frames may be, there is little left of the stack.
    #[cold]
    fn make_outer_tokens(&self) {
        let mut unmade = Vec::new();
        let mut at = self.outer_of_same_task();
        while let Some(frame) = at {
            match frame.token {
                TokenOf::Lazy(token) if token.wants_outer() => unmade.push(frame),
                _ => break,
            }
            at = frame.outer_of_same_task();
        }
        for frame in unmade.into_iter().rev() {
            frame.token();
        }
    }

    /// The frame's token, for one who may never need it, and is polled in here with the frame's waker. `None`: it has been made, or
    /// has to be.
    #[inline]
    pub(crate) fn late(&self) -> Option<Arc<LateToken>> {
        let TokenOf::Lazy(token) = self.token else { return None };
        match token.late() {
            Ridden::Not => None,
            Ridden::Late(late) => Some(late),
            Ridden::Fresh { rides } => self.make_late(token, rides),
        }
    }

    /// From the outermost inwards, as [`make_outer_tokens`](Self::make_outer_tokens).
    fn make_late(&self, token: &dyn LazyToken, mut rides: bool) -> Option<Arc<LateToken>> {
        // As a rule there are few.
        let mut inner = [None; 8];
        let mut more = Vec::new();
        let mut count = 0;
        let mut outermost = (self, token);
        let mut outside = None;
        while let (true, Some(frame)) = (rides, outermost.0.outer_of_same_poll()) {
            let TokenOf::Lazy(token) = frame.token else {
                outside = frame.ride_on_given();
                break;
            };
            match token.late() {
                Ridden::Not => {
                    outside = frame.ride_on_given();
                    break;
                }
                Ridden::Late(late) => {
                    outside = Some(late);
                    break;
                }
                Ridden::Fresh { rides: is_riding } => {
                    match inner.get_mut(count) {
                        Some(place) => *place = Some(outermost.0),
                        None => more.push(outermost.0),
                    }
                    count += 1;
                    (outermost, rides) = ((frame, token), is_riding);
                }
            }
        }
        let mut late = outermost.1.make_late(outermost.0, outside);
        for frame in more
            .into_iter()
            .rev()
            .chain(inner.into_iter().take(count).rev().flatten())
        {
            if let TokenOf::Lazy(token) = frame.token {
                late = token.make_late(frame, late);
            }
        }
        late
    }

    /// As [`late`](Self::late), for one who is woken with this frame's region, and looks at the frame in its next poll: the token may
    /// have been made, if the region has it.
    #[inline]
    pub(crate) fn ride(&self) -> Option<Arc<LateToken>> {
        match self.token {
            TokenOf::Lazy(lazy) if lazy.given().is_none() => self.late(),
            _ => self.ride_on_given(),
        }
    }

    fn ride_on_given(&self) -> Option<Arc<LateToken>> {
        let (token, place) = match self.token {
            TokenOf::Made(token, place) => (token, place?),
            TokenOf::Lazy(lazy) => lazy.given()?,
        };
        // Whoever relies on a token has its deadline watched; one that no thread can watch has to be asked for.
        if token.attend() || token.is_marked() {
            return None;
        }
        if let Some(late) = peek(place, |place| place.get().cloned()) {
            return late.is_ridable().then_some(late);
        }
        let late = LateToken::given(token, self.waker?, place);
        peek(place, |place| place.put(Arc::clone(&late)));
        Some(late)
    }

    /// Is this what those have in common who ride on the frame's region?
    pub(crate) fn is_late(&self, late: &Arc<LateToken>) -> bool {
        let is_own = |place: &mut LatePlace| place.get().is_some_and(|own| Arc::ptr_eq(own, late));
        let place = match self.token {
            TokenOf::Made(_, place) => place,
            TokenOf::Lazy(token) => token.place(),
        };
        late.is_ridable() && place.is_some_and(|place| peek(place, is_own))
    }

    /// The frame's body unwinds: who rides is to look.
    #[cold]
    pub(crate) fn wake_riders(&self) {
        if let TokenOf::Lazy(token) = self.token {
            token.wake_riders();
        }
    }

    /// Of the poll that it was entered in.
    pub(crate) fn waker(&self) -> Option<&'a Waker> {
        self.waker
    }

    /// The frame that this one was entered in, if it is of the same poll: who wakes that one's task wakes this one's.
    pub(crate) fn outer_of_same_poll(&self) -> Option<&Frame<'a>> {
        let waker = self.waker?;
        self.outer().filter(|outer| outer.wakes(waker))
    }

    pub(crate) fn task(&self) -> Task {
        self.task
    }

    /// Neither cancelled nor in want of a closer look: the fast path of every check point.
    #[inline(always)]
    pub(crate) fn is_quiet(&self) -> bool {
        self.state.get().is_quiet()
    }

    /// As [`is_quiet`](Self::is_quiet); and if not, whether a closer look finds nothing either, without having a token made. At
    /// the clock, too; but not yet for an await that has begun, for if it is ready it does not fail.
    #[inline(always)]
    pub(crate) fn is_clear(&self, has_begun: bool) -> bool {
        self.is_quiet_for_await() || self.looks_clear(has_begun)
    }

    /// As [`is_quiet`](Self::is_quiet), for an await: and none that counts.
    #[inline(always)]
    pub(crate) fn is_quiet_for_await(&self) -> bool {
        self.awaits.get().is_quiet()
    }

    #[inline(never)]
    fn looks_clear(&self, has_begun: bool) -> bool {
        // Who looks closer asks them.
        if hosts::are_any() {
            return false;
        }
        let glance = Glance::default();
        let glance = (!has_begun).then_some(&glance);
        if self.counts_awaits() {
            return self.begins_clear(glance);
        }
        self.is_clear_at(glance)
    }

    /// An await begins, or is polled again, which is counted; and so will be who asks in it.
    fn begins_clear(&self, glance: Option<&Glance>) -> bool {
        counted::count();
        self.awaited();
        self.await_first_question();
        !probe::is_watched() && self.token_state().is_quiet() || self.token_is_clear(glance)
    }

    /// As [`is_clear`](Self::is_clear), for one who looks at the clock as well.
    pub(crate) fn is_clear_at(&self, glance: Option<&Glance>) -> bool {
        self.is_quiet() || self.looks_clear_at(glance)
    }

    fn looks_clear_at(&self, glance: Option<&Glance>) -> bool {
        self.asked();
        self.is_quiet() || self.token_is_clear(glance)
    }

    fn token_is_clear(&self, glance: Option<&Glance>) -> bool {
        match self.token {
            // An observer is to see every check point.
            TokenOf::Lazy(token) => !probe::is_watched() && token.is_clear(glance),
            TokenOf::Made(..) => false,
        }
    }

    /// Has it been made, and is it neither cancelled nor in want of a closer look?
    fn has_quiet_token(&self) -> bool {
        match self.token {
            TokenOf::Made(token, _) => token.is_quiet(),
            TokenOf::Lazy(token) => token.is_made_and_quiet(),
        }
    }

    /// Is whoever passes a check point here to say so?
    fn wants_pulse(&self) -> bool {
        match self.token {
            TokenOf::Made(token, _) => token.state_ref().wants_pulse(),
            TokenOf::Lazy(token) => token.outlook().is_none_or(Outlook::wants_pulse),
        }
    }

    /// Why the frame's token is cancelled, if it is.
    #[inline]
    pub(crate) fn cause(&self) -> Option<Arc<Cause>> {
        if self.is_known_quiet() {
            None
        } else {
            self.token().cause()
        }
    }

    /// As [`is_quiet`](Self::is_quiet), for one who has been counted.
    #[inline]
    pub(crate) fn is_known_quiet(&self) -> bool {
        self.is_quiet() || self.counts_awaits() && self.token_state().is_quiet()
    }

    /// Is the frame's token cancelled? Looks closer if it must.
    #[inline]
    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled_at(&Glance::default())
    }

    /// The same, for one who may have looked at the clock.
    pub(crate) fn is_cancelled_at(&self, glance: &Glance) -> bool {
        !self.is_clear_at(Some(glance)) && self.token().is_cancelled()
    }

    /// Until when what hangs below this frame is certainly not cancelled from outside. `None`: that cannot be told.
    pub(crate) fn outlook(&self) -> Option<Outlook<'a>> {
        // What hangs below it asks for it.
        self.awaited();
        match self.token {
            TokenOf::Made(token, _) => Some(Outlook::of(token.state_ref())),
            TokenOf::Lazy(token) => token.outlook(),
        }
    }

    /// `what` was polled here with this waker and is pending; or, if it is loose, was let go of by the await in which it was polled.
    pub(super) fn note(&self, what: &Arc<Pending>, waker: Option<&Waker>, is_loose: bool) {
        let polls = what.polled();
        if waker.is_some_and(|waker| self.wakes(waker)) || self.is_ours() {
            notes::push(self.owner(), what, Role::Polled { polls, is_loose });
        } else {
            // Its task goes on without whoever drives it.
            what.nobodys(polls);
        }
    }

    /// Says who keeps what is polled from now on, until it is noted itself, or what was noted since a mark from before is taken.
    pub(crate) fn announce(&self, keeper: &Arc<Pending>) {
        notes::push(self.owner(), keeper, Role::Keeper);
    }

    /// The await has ended in which what was polled since was polled.
    #[cold]
    pub(crate) fn loosen_since(&self, mark: Mark) {
        notes::loosen(self.owner(), mark);
    }

    /// Is something loose here, or further out as far as the cancel has reached, for which a check point here should not fail?
    ///
    /// `own`: of whoever asks, which does not count for itself.
    pub(crate) fn has_loose(&self, question: Question<'_>, own: Option<Place>) -> bool {
        if notes::are_none() {
            return false;
        }
        let mut frame = self;
        // Those inside which the question is asked: what is being polled has not been left.
        let mut being_polled: Vec<_> = own.into_iter().collect();
        loop {
            let notes = notes::all(frame.owner());
            let keepers = notes.iter().filter(|(_, role)| matches!(role, Role::Keeper));
            being_polled.extend(keepers.map(|(keeper, _)| keeper.place()));
            let question = Question {
                except: &being_polled,
                ..question.of(Of::Loose)
            };
            let counts = |(what, role): &(Arc<Pending>, Role)| match role {
                Role::Keeper => what.has_inside(question),
                Role::Polled { polls, is_loose } => what.is_or_has(question, *polls, *is_loose),
            };
            if notes.iter().any(counts) {
                return true;
            }
            match frame.outer() {
                Some(outer) if frame.is_cancelled_with(outer) => frame = outer,
                _ => return false,
            }
        }
    }

    /// Has the cancel reached the frame outside, too, so that what is loose there goes when a check point fails here?
    fn is_cancelled_with(&self, outer: &Frame<'_>) -> bool {
        match self.outside() {
            Outside::Round => outer.is_settled_as_marked(),
            Outside::Shielded => false,
            // By the very same.
            Outside::Stranger => {
                let causes = || Some((self.token().cause()?, outer.token().cause()?));
                outer.is_settled_as_marked() && causes().is_some_and(|(here, there)| here.is_same_event(&there))
            }
        }
    }

    /// Has a cancel reached the code round this frame, so that what is loose there goes with what ends here?
    #[inline]
    pub(crate) fn is_cancelled_round(&self) -> bool {
        self.outer_of_same_task().is_some_and(Frame::is_marked)
    }

    /// Has its token been cancelled, as far as has been noticed?
    fn is_marked(&self) -> bool {
        !self.is_clear(true) && self.token().is_marked()
    }

    /// The same, once nobody is half way through marking it: what is inside is marked first, and has noticed the cancel.
    fn is_settled_as_marked(&self) -> bool {
        let is_made = match self.token {
            TokenOf::Made(..) => true,
            TokenOf::Lazy(token) => token.is_made_and_quiet(),
        };
        self.is_marked() || is_made && self.token().is_settled_as_marked()
    }

    /// Will a cancel of this frame's token wake `waker`, without its being registered?
    ///
    /// Only if it is the very one that the frame's poll was given, handed on. One that would wake the same task may be that
    /// of another executor on this thread, which runs inside the poll and parks before the scope has registered: tokio's
    /// `block_on`s share a waker.
    #[inline]
    pub(crate) fn wakes(&self, waker: &Waker) -> bool {
        self.waker.is_some_and(|own| ptr::eq(own, waker))
    }

    /// Is it cancelled because the branch that it is in has lost: nobody wants what comes of it?
    #[cold]
    pub(crate) fn has_lost(&self) -> bool {
        let cause = self.cause();
        cause.is_some_and(|cause| cause.reason().kind() == ReasonKind::Superseded)
    }

    /// The error of a check point at `location` in this frame, if its token is cancelled.
    #[cold]
    pub(crate) fn notice(&self, location: &'static Location<'static>, point: CheckPoint) -> Option<Cancelled> {
        if self.notices(location) {
            self.cancelled(location, point)
        } else {
            None
        }
    }

    /// The error of a check point at `location` that has made sure that it may fail.
    pub(crate) fn fail(&self, location: &'static Location<'static>, point: CheckPoint) -> Option<Cancelled> {
        let cancelled = self.cancelled(location, point)?;
        probe::noticed(location);
        Some(cancelled)
    }

    /// Does a check point at `location` find this frame's token cancelled, and may it fail?
    #[cold]
    pub(crate) fn notices(&self, location: &'static Location<'static>) -> bool {
        pass(location, Pass::Other);
        if meter::is_on() && self.is_ours() {
            meter::pass(Event::Point, location);
            if self.has_quiet_token() && !probe::is_observed() {
                // In a branch it counts all the same.
                self.asked();
                return false;
            }
        }
        if probe::is_observed() && self.is_ours() && !self.token().is_marked() {
            probe::check_point(location);
        }
        let cancelled = self.is_cancelled() && self.is_ours() && !self.is_spared();
        if cancelled {
            probe::noticed(location);
        }
        cancelled
    }

    /// Would it harm something loose if a check point here failed that does not wait?
    fn is_spared(&self) -> bool {
        let has_loose = |kind| self.has_loose(Question::spared(kind), None);
        has_loose(Kind::Hold) || has_loose(Kind::Foreign)
    }

    /// The error of a check point that has found this frame's token cancelled.
    pub(crate) fn cancelled(&self, location: &'static Location<'static>, point: CheckPoint) -> Option<Cancelled> {
        let cause = self.token().cause()?;
        let cancelled = Cancelled::new(cause, point, location, self.path());
        self.tell_observers(&cancelled);
        Some(cancelled)
    }

    /// A check point in this frame has noticed a cancel: that of all scopes round it which it has reached.
    #[inline(always)]
    fn tell_observers(&self, cancelled: &Cancelled) {
        if !observe::IS_ON {
            return;
        }
        let mut at = Some(self);
        while let Some(frame) = at {
            let observed = &frame.about.observed;
            if observed.is_told_of_cancels() && frame.is_settled_as_marked() {
                let cause = frame.token().cause();
                let is_own = cause.is_some_and(|cause| cause.is_same_event(cancelled.cause()));
                observe::noticed_for(observed, cancelled, is_own);
            }
            at = frame.outer().filter(|_| frame.outside() != Outside::Stranger);
        }
    }

    /// It is entered, or has been left: sees whose check points are passed from now on. Frames that say nothing of it change nothing.
    #[inline(always)]
    fn watch(&self) {
        #[cfg(feature = "registry")]
        if self.about.observed.get().is_some() || self.outside() == Outside::Stranger {
            let record = with(
                |innermost| match innermost.and_then(Frame::observed).and_then(Observed::record) {
                    Some(record) => Arc::as_ptr(record),
                    None => ptr::null(),
                },
            );
            WATCHED.set(record);
        }
    }

    /// By whom it is observed what happens here: the innermost scope that has a name.
    #[inline]
    pub(crate) fn observed(&self) -> Option<&Observed> {
        if observe::IS_ON {
            self.find(|frame| frame.about.observed.get())
        } else {
            None
        }
    }

    #[cfg(any(feature = "registry", feature = "tracing"))]
    pub(crate) fn about(&self) -> &'a About {
        self.about
    }

    /// The named scopes round this frame.
    pub(crate) fn path(&self) -> Path {
        let mut names = Vec::new();
        let mut at = Some(self);
        let mut above = Path::EMPTY;
        while let Some(frame) = at {
            names.extend(frame.about.name.as_ref());
            above = &frame.about.above;
            at = frame.outer().filter(|_| frame.outside() != Outside::Stranger);
        }
        names.into_iter().rev().cloned().fold(above.clone(), Path::and)
    }

    /// The grace of the innermost scope that has one.
    pub(crate) fn grace(&self) -> Option<Duration> {
        self.find(|frame| frame.about.grace)
    }

    /// May a check point here leave by unwinding?
    pub(crate) fn catches(&self) -> bool {
        let mut frame = self;
        loop {
            match (frame.about.catches, frame.outer_of_same_task()) {
                (Some(catches), _) => return catches,
                (None, Some(outer)) => frame = outer,
                (None, None) => return false,
            }
        }
    }

    /// Looks from this frame outwards for one that has what is asked for.
    fn find<'f, T>(&'f self, ask: impl Fn(&'f Frame<'a>) -> Option<T>) -> Option<T> {
        let mut frame: &'f Frame<'a> = self;
        loop {
            if let Some(found) = ask(frame) {
                return Some(found);
            }
            if frame.outside() == Outside::Stranger {
                return None;
            }
            frame = frame.outer()?;
        }
    }
}

/// What the check points of a frame are to ask: `state`; or, so that an observer sees them all, or that they ask a host, one that has
/// them look closer every time.
#[inline(always)]
fn observed(state: StateRef<'_>) -> StateRef<'_> {
    if probe::is_watched() || hosts::are_any() {
        StateRef::wants_attention()
    } else {
        state
    }
}

/// Hands the innermost frame of this thread to `f`.
#[inline(always)]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Frame<'_>>) -> R) -> R {
    let innermost = INNERMOST.get();
    // SAFETY: null, or a frame that has been entered on this thread and not left (the rule above). `f` cannot keep the
    // reference: its lifetime is `f`'s own; nor can the frame be left while `f` runs, for leaving happens further down
    // the stack.
    f(unsafe { innermost.as_ref() })
}

/// A check point is passed, one that looks closer: says so, if somebody wants to know.
#[inline]
pub(crate) fn beat() {
    if pulse::is_any_wanted() {
        beat_here();
    }
}

#[cold]
fn beat_here() {
    with(|frame| {
        if let Some(frame) = frame.filter(|frame| frame.wants_pulse() && frame.is_ours()) {
            frame.token().beat();
        }
    });
}

/// A check point is passed: says so to who observes.
#[inline(always)]
pub(crate) fn pass(location: &'static Location<'static>, kind: Pass) {
    // SAFETY: null, or a record that the frame keeps in which it was found, for a frame borrows its `about`. That frame has not been
    // left: whichever is, or is entered, and has a record, has it looked up anew.
    #[cfg(feature = "registry")]
    if let Some(record) = unsafe { WATCHED.get().as_ref() } {
        record.last.pass(location, kind);
    }
    let _ = (location, kind);
}

/// How far the work has got: says so to who observes.
#[inline(always)]
pub(crate) fn tell_observers(done: u64, total: Option<u64>) {
    #[cfg(feature = "registry")]
    with(|frame| {
        if let Some(observed) = frame.and_then(Frame::observed) {
            observed.progress(done, total);
        }
    });
    let _ = (done, total);
}

/// Would what the work is at be told to who observes?
#[inline(always)]
pub(crate) fn is_observed() -> bool {
    observe::KEEPS_WORDS && with(|frame| frame.is_some_and(|frame| frame.observed().is_some()))
}

/// What the work is at: says so to who observes.
#[inline(always)]
pub(crate) fn say_to_observers(message: &std::sync::Arc<str>) {
    #[cfg(feature = "registry")]
    with(|frame| {
        if let Some(observed) = frame.and_then(Frame::observed) {
            observed.say(message);
        }
    });
    let _ = message;
}

/// As [`ask_hosts`], of a check point that is passed if it finds nothing.
#[inline]
pub(crate) fn look_closer() -> bool {
    beat();
    ask_hosts()
}

/// Hands the tokens to `f` whose cancels end the code now running: the innermost one, and those outside of shields.
pub(crate) fn for_each_round(mut f: impl FnMut(&CancellationToken)) {
    with_frame_of(Task::current(), |frame| {
        let Some(mut frame) = frame else { return };
        f(frame.token());
        loop {
            let outside = frame.outside();
            match (outside, frame.outer()) {
                (Outside::Stranger, _) | (_, None) => return,
                (_, Some(outer)) => frame = outer,
            }
            if outside == Outside::Shielded {
                f(frame.token());
            }
        }
    });
}

/// Has the hosts asked of all scopes round the code now running, if any have some: by a check point that looks closer, before it does.
/// Is there anything left to look at?
#[inline]
pub(crate) fn ask_hosts() -> bool {
    !hosts::are_any() || ask_outwards()
}

#[cold]
fn ask_outwards() -> bool {
    with(|innermost| {
        let mut at = innermost;
        while let Some(frame) = at {
            // Of all frames round the user's code only this one is used afterwards. A host sees to it that it is not left meanwhile.
            if let TokenOf::Lazy(token) = frame.token {
                if let Some(host) = token.host() {
                    host.ask_if_due(frame);
                }
            }
            at = frame.outer();
        }
    });
    with(|innermost| innermost.is_some_and(|frame| probe::is_watched() || !frame.has_quiet_token()))
}

/// What was polled in a frame that has been left. Unless somebody keeps it, it is the frame's outside.
pub(crate) struct Polled {
    owner: Owner,
    since: Mark,
}

impl Polled {
    /// Is there none?
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        !is_noted_since(self.since)
    }

    /// Nor an await that was counted?
    #[inline(always)]
    pub(crate) fn is_silent(&self) -> bool {
        is_silent_since(self.since)
    }

    /// Of whom and since when, for one who keeps it.
    #[inline]
    pub(super) fn take(self) -> (Owner, Mark) {
        let taken = (self.owner, self.since);
        mem::forget(self);
        taken
    }

    /// The scope is over in which it was polled.
    #[inline]
    pub(crate) fn let_go(self) {
        if !self.is_empty() {
            self.hand_on(true);
        }
        mem::forget(self);
    }

    #[cold]
    fn hand_on(&self, is_over: bool) {
        with(|outer| match outer {
            Some(outer) => notes::give(self.owner, self.since, outer.owner(), is_over),
            None => notes::take_since(self.owner, self.since, |what, polls, _| what.nobodys(polls)),
        });
    }
}

impl Drop for Polled {
    #[inline]
    fn drop(&mut self) {
        if !self.is_empty() {
            self.hand_on(false);
        }
    }
}

/// As [`with`], for code of this task: none, if the innermost frame is another one's.
#[inline]
pub(crate) fn with_frame_of<R>(task: Task, f: impl FnOnce(Option<&Frame<'_>>) -> R) -> R {
    with(|frame| f(frame.filter(|frame| frame.task.is(task))))
}

/// The task that is being polled with this waker. If the innermost frame's poll was given the very same, it is that one's.
#[inline]
pub(crate) fn task_of(waker: &Waker) -> Task {
    with(|frame| match frame {
        Some(frame) if frame.wakes(waker) => frame.task,
        _ => Task::current(),
    })
}

/// As [`Frame::note`], in the innermost frame.
pub(super) fn note(what: &Arc<Pending>, waker: Option<&Waker>, is_loose: bool) {
    with(|frame| match frame {
        Some(frame) => frame.note(what, waker, is_loose),
        None => what.nobodys(what.polled()),
    });
}
