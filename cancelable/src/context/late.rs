//! A token that is made when somebody needs it, from wherever that is: what a region shares with those that are pending inside it,
//! until one of them has to have a token.
//!
//! A region that is pending inside another one, under the waker of the same poll, is woken with that one. So it need not register
//! anything, nor have the token of the one outside made: it *rides*, and looks at the frame outside in its next poll. But it may be
//! taken out by then, and be polled in another place. So it keeps this, which the other region keeps as well; and which of the two
//! first needs the token makes it for both.

use std::borrow::Cow;
use std::cell::Cell;
use std::mem;
use std::panic::Location;
use std::task::Waker;
use std::time::{Duration, Instant};

#[cfg(feature = "registry")]
use crate::live::OutsideCancels;
use crate::observe::Subject;
use crate::primitive::{Arc, AtomicBool, AtomicU32, Mutex, Ordering, lock};
#[cfg(feature = "registry")]
use crate::reason::CancelReason;
use crate::token::{CancellationToken, ChildOptions, Deadline};
use crate::unwind::FirstPanic;

/// What a token is made below: a token, or one that has not been made so far.
#[derive(Clone)]
pub(crate) enum StandIn {
    Made(CancellationToken),
    Late(Arc<LateToken>),
}

impl StandIn {
    /// The token; made now if it was not.
    pub(crate) fn token(&self) -> CancellationToken {
        match self {
            Self::Made(token) => token.clone(),
            Self::Late(late) => late.token(),
        }
    }
}

/// For who observes, from wherever that is.
#[cfg(any(feature = "registry", feature = "tracing"))]
impl StandIn {
    /// The token, if it has been made, or would be cancelled at this moment: then it is made.
    pub(crate) fn known(&self, now: Instant) -> Option<CancellationToken> {
        let token = match self {
            Self::Made(token) => token.clone(),
            Self::Late(late) => match late.made() {
                Some(token) => token,
                None => late.is_due(now).then(|| late.token())?,
            },
        };
        // Its deadline may have passed, which nobody has noticed: its task may be stuck.
        token.attend();
        Some(token)
    }

    /// Is it certainly not cancelled, as far as has been noticed, and by a deadline at this moment? Reads words.
    pub(crate) fn is_clear(&self, now: Instant) -> bool {
        match self {
            Self::Made(token) => !token.is_marked(),
            Self::Late(late) => !late.is_made() && !late.is_due(now),
        }
    }

    /// When it is cancelled by itself.
    #[cfg(feature = "registry")]
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let mut earliest: Option<Instant> = None;
        let mut at = self;
        loop {
            let known = match at {
                Self::Made(token) => Some(token.clone()),
                Self::Late(late) => late.made(),
            };
            let (own, next) = match (at, known) {
                (_, Some(token)) => (token.deadline(), None),
                (Self::Late(late), None) => (late.due.map(|due| due.at), Some(&late.parent)),
                (Self::Made(_), None) => (None, None),
            };
            earliest = earliest.into_iter().chain(own).min();
            match next {
                Some(parent) => at = parent,
                None => return earliest,
            }
        }
    }

    /// Cancels it. `false`: it was cancelled before.
    #[cfg(feature = "registry")]
    pub(crate) fn cancel(&self, reason: CancelReason) -> bool {
        match self {
            Self::Made(token) => token.cancel_with(reason),
            Self::Late(late) => late.cancel(reason),
        }
    }
}

/// When a token is to be cancelled by itself, by the wall's clock, and what to say then.
#[derive(Clone, Copy)]
pub(crate) struct Due {
    pub(crate) at: Instant,
    /// The timeout it was set as, if it was.
    pub(crate) after: Option<Duration>,
    /// The line that set it.
    pub(crate) location: &'static Location<'static>,
}

impl Due {
    pub(crate) fn deadline(self) -> Deadline {
        Deadline::new(self.at, self.after, self.location)
    }
}

/// What can be told of the token of a frame, to who may ride there.
pub(crate) enum Ridden {
    /// It has been made, or has to be.
    Not,
    /// It is shared already.
    Late(Arc<LateToken>),
    /// It can be, and `rides` on the frame outside if that is of the same poll and can be, too.
    Fresh { rides: bool },
}

/// A region's place for its late token, or for the memory of the last one.
#[derive(Default)]
pub(crate) struct LatePlace {
    late: Option<Arc<LateToken>>,
    /// Not only its memory.
    is_in_use: bool,
}

/// The place, for the length of a poll.
pub(crate) type LateSlot = Cell<LatePlace>;

/// What is in there, if something is.
#[inline]
pub(crate) fn peek<R>(slot: &LateSlot, f: impl FnOnce(&mut LatePlace) -> R) -> R {
    let mut place = slot.take();
    let result = f(&mut place);
    // `f` is of this crate, and puts nothing in there.
    mem::forget(slot.replace(place));
    result
}

impl LatePlace {
    #[inline]
    pub(crate) fn get(&self) -> Option<&Arc<LateToken>> {
        if self.is_in_use { self.late.as_ref() } else { None }
    }

    /// Does anybody ride here?
    #[inline]
    pub(crate) fn is_ridden(&mut self) -> bool {
        self.is_in_use && self.late.as_mut().is_some_and(LateToken::is_shared)
    }

    /// Takes one that has been made for this place.
    #[inline]
    pub(crate) fn put(&mut self, late: Arc<LateToken>) {
        (self.late, self.is_in_use) = (Some(late), true);
    }

    /// Nobody is to find it here any more. If only its region has it, and nobody has needed the token, the memory stays; else it is
    /// returned, to be ended.
    #[inline]
    fn retire(&mut self) -> Option<Arc<LateToken>> {
        self.is_in_use = false;
        match Arc::get_mut(self.late.as_mut()?) {
            Some(own) if !own.is_made() => {
                own.parent = StandIn::Made(CancellationToken::never());
                own.name = None;
                own.subject = Subject::NONE;
                // User code, and so the last thing.
                own.waker = None;
                None
            }
            _ => self.late.take(),
        }
    }

    /// The region is not ridden on any more: has those polled who do.
    #[inline]
    pub(crate) fn let_go(&mut self) {
        if self.is_in_use {
            if let Some(mut late) = self.retire() {
                if LateToken::is_shared(&mut late) {
                    late.wake();
                    late.is_gone.store(true, Ordering::Release);
                }
            }
        }
    }

    /// The region is over: has `end` see to the token, if somebody has it or may have it made; and those who ride polled. `false`: there
    /// is nobody.
    #[inline]
    pub(crate) fn end(&mut self, end: impl FnOnce(&CancellationToken)) -> bool {
        if !self.is_in_use {
            return false;
        }
        let Some(late) = self.retire() else { return false };
        LateToken::end(late, end);
        true
    }
}

/// A region's token that has not been needed so far, for those who ride on the region.
pub(crate) struct LateToken {
    parent: StandIn,
    name: Option<Cow<'static, str>>,
    due: Option<Due>,
    /// The scope, for who observes. From them a cancel may come at any time.
    subject: Subject,
    /// Under which all who ride were polled last: another poll's makes the token, and nobody rides any more. Kept by the outermost
    /// one alone, which is not below another.
    waker: Option<Waker>,
    /// It is `parent` itself: the region has a token, and its task is registered with that.
    is_given: bool,
    /// Those who ride have been woken for good: who is polled after that rides here no more, nor on what rode here.
    is_gone: AtomicBool,
    /// How often the region has been polled. Counted, and asked, in its polls alone.
    polls: AtomicU32,
    /// Set once the token is there.
    is_made: AtomicBool,
    made: Mutex<Option<CancellationToken>>,
}

impl LateToken {
    /// Of a region that is being polled with this waker; in the memory of one that is over, if its `place` has some.
    ///
    /// # Panics
    /// If the waker's clone does.
    #[inline]
    pub(crate) fn new(
        parent: StandIn,
        name: Option<Cow<'static, str>>,
        subject: Subject,
        due: Option<Due>,
        waker: &Waker,
        place: &LateSlot,
    ) -> Arc<Self> {
        let waker = match parent {
            StandIn::Made(_) => Some(waker.clone()),
            StandIn::Late(_) => None,
        };
        let memory = peek(place, |place| place.late.take());
        Self::in_memory_of(memory, parent, name, subject, due, waker, false)
    }

    /// Of a region that has this token.
    ///
    /// # Panics
    /// If the waker's clone does.
    pub(crate) fn given(token: &CancellationToken, waker: &Waker, place: &LateSlot) -> Arc<Self> {
        let (parent, waker) = (StandIn::Made(token.clone()), Some(waker.clone()));
        let memory = peek(place, |place| place.late.take());
        Self::in_memory_of(memory, parent, None, Subject::NONE, None, waker, true)
    }

    #[inline(always)]
    fn in_memory_of(
        memory: Option<Arc<Self>>,
        parent: StandIn,
        name: Option<Cow<'static, str>>,
        subject: Subject,
        due: Option<Due>,
        waker: Option<Waker>,
        is_given: bool,
    ) -> Arc<Self> {
        if let Some(mut memory) = memory {
            if let Some(late) = Arc::get_mut(&mut memory) {
                // There was nothing in there.
                mem::forget(mem::replace(&mut late.parent, parent));
                mem::forget(mem::replace(&mut late.name, name));
                late.subject = subject;
                mem::forget(mem::replace(&mut late.waker, waker));
                (late.due, late.is_given) = (due, is_given);
                return memory;
            }
        }
        Arc::new(Self {
            parent,
            name,
            subject,
            due,
            waker,
            is_given,
            is_gone: AtomicBool::new(false),
            polls: AtomicU32::new(0),
            is_made: AtomicBool::new(false),
            made: Mutex::new(None),
        })
    }

    /// The region is polled once more.
    #[inline]
    pub(crate) fn count_poll(&self) {
        self.polls.store(self.polls().wrapping_add(1), Ordering::Relaxed);
    }

    /// In which poll of the region, for one who rides on it and may be polled several times in there.
    #[inline]
    pub(crate) fn polls(&self) -> u32 {
        self.polls.load(Ordering::Relaxed)
    }

    /// Has the token been made? One load.
    #[inline]
    pub(crate) fn is_made(&self) -> bool {
        self.is_made.load(Ordering::Acquire)
    }

    /// The token that the region had from the start.
    #[inline]
    fn given_token(&self) -> Option<&CancellationToken> {
        match &self.parent {
            StandIn::Made(token) if self.is_given => Some(token),
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn is_given(&self) -> bool {
        self.is_given
    }

    /// What its region rides on, or would, as long as that can be ridden on.
    #[inline]
    pub(crate) fn ridden_on(&self) -> Option<&Arc<Self>> {
        match &self.parent {
            StandIn::Late(parent) if parent.is_ridable() && !parent.is_gone.load(Ordering::Acquire) => Some(parent),
            _ => None,
        }
    }

    /// Does [`wake`](Self::wake) wake the task of its region, if that rides on this or on nothing? It finds a waker by way of what it
    /// is below, which may be ridden on no more.
    pub(crate) fn is_woken_with(&self, rides: Option<&Arc<Self>>) -> bool {
        match &self.parent {
            StandIn::Made(_) => true,
            StandIn::Late(parent) => rides.is_some_and(|rides| Arc::ptr_eq(parent, rides)),
        }
    }

    /// May one who rides go on so? Not if a token has been made, nor if the one that there was is cancelled.
    #[inline]
    pub(crate) fn is_ridable(&self) -> bool {
        match self.given_token() {
            Some(token) => !token.is_marked(),
            None => !self.is_made(),
        }
    }

    /// The token; made now if it was not.
    pub(crate) fn token(&self) -> CancellationToken {
        match self.made() {
            Some(token) => token,
            None => self.make(),
        }
    }

    /// The token, if it has been made.
    pub(crate) fn made(&self) -> Option<CancellationToken> {
        match self.given_token() {
            Some(token) => Some(token.clone()),
            None if self.is_made() => lock(&self.made).clone(),
            None => None,
        }
    }

    /// From the outermost inwards: as deep as scopes may be, there may be little left of the stack.
    #[cold]
    fn make(&self) -> CancellationToken {
        let mut unmade = Vec::new();
        let mut at = self;
        while let StandIn::Late(parent) = &at.parent {
            if parent.is_given || parent.is_made() {
                break;
            }
            unmade.push(&**parent);
            at = parent;
        }
        for late in unmade.into_iter().rev() {
            late.make_below_parent();
        }
        self.make_below_parent()
    }

    fn make_below_parent(&self) -> CancellationToken {
        let token = self.parent.token().child_with(ChildOptions {
            name: self.name.clone(),
            subject: self.subject.clone(),
            deadline: self.due.map(Due::deadline),
            ..ChildOptions::default()
        });
        // Deadlines outside may turn out to have passed, which runs callbacks and wakers, and these may ask for this very token; or
        // another thread does. Then it is there by now, and ours, which nobody has seen, goes; outside the lock.
        let mut made = lock(&self.made);
        let theirs = made.clone();
        if theirs.is_none() {
            *made = Some(token.clone());
            self.is_made.store(true, Ordering::Release);
        }
        drop(made);
        theirs.unwrap_or(token)
    }

    /// Has anybody else it?
    pub(crate) fn is_shared(late: &mut Arc<Self>) -> bool {
        Arc::get_mut(late).is_none()
    }

    #[cold]
    fn end(mut late: Arc<Self>, end: impl FnOnce(&CancellationToken)) {
        let is_shared = Self::is_shared(&mut late);
        let mut panics = FirstPanic::default();
        panics.run(|| {
            let token = if is_shared { Some(late.token()) } else { late.made() };
            if let Some(token) = token {
                end(&token);
            }
        });
        if is_shared {
            panics.run(|| late.wake());
        }
        panics.run(|| drop(late));
        panics.resume();
    }

    /// Would it be cancelled at this moment, as far as has been noticed?
    #[cfg(any(feature = "registry", feature = "tracing"))]
    fn is_due(&self, now: Instant) -> bool {
        let mut at = self;
        loop {
            if at.due.is_some_and(|due| due.at <= now) {
                return true;
            }
            match at.ask(CancellationToken::is_marked) {
                Ok(is_marked) => return is_marked,
                Err(parent) => at = parent,
            }
        }
    }

    /// Has the deadlines watched that it relies on, but for those of what has not been made. `true`: some cannot be.
    #[cfg(any(feature = "registry", feature = "tracing"))]
    pub(crate) fn attend(&self) -> bool {
        let mut at = self;
        loop {
            match at.ask(CancellationToken::attend) {
                Ok(keep_looking) => return keep_looking,
                Err(parent) => at = parent,
            }
        }
    }

    /// Asks the token, or else the one that it would be below. If that has not been made either, it is returned.
    #[cfg(any(feature = "registry", feature = "tracing"))]
    fn ask(&self, ask: impl FnOnce(&CancellationToken) -> bool) -> Result<bool, &Self> {
        if self.is_made() {
            if let Some(token) = self.made() {
                return Ok(ask(&token));
            }
        }
        match &self.parent {
            StandIn::Made(token) => Ok(ask(token)),
            StandIn::Late(parent) => Err(parent),
        }
    }

    /// Cancels it, from outside of its region, which may be pending or in the middle of a poll. `false`: it was cancelled before.
    #[cfg(feature = "registry")]
    fn cancel(&self, reason: CancelReason) -> bool {
        let mut is_first = false;
        let mut panics = FirstPanic::default();
        panics.run(|| is_first = self.token().cancel_with(reason));
        // Check points of a region without a token look for it from now on.
        OutsideCancels::count();
        panics.run(|| self.wake());
        panics.resume();
        is_first
    }

    /// Those who ride are to look, if there are any.
    #[cold]
    pub(crate) fn wake(&self) {
        let mut at = self;
        while let StandIn::Late(parent) = &at.parent {
            at = parent;
        }
        if let (Some(waker), false) = (&at.waker, at.is_gone.load(Ordering::Acquire)) {
            waker.wake_by_ref();
        }
    }
}

#[cfg(all(test, cancelable_loom))]
#[path = "late/loom.rs"]
mod loom;
