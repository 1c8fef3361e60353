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

use crate::primitive::{Arc, AtomicBool, AtomicU32, Mutex, Ordering, lock};
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

/// A region's places for its late token, for the length of a poll: while it has one, and for the memory of the last one.
#[derive(Clone, Copy)]
pub(crate) struct LateSlot<'a> {
    pub(crate) late: &'a Cell<Option<Arc<LateToken>>>,
    pub(crate) spare: &'a Cell<Option<Arc<LateToken>>>,
}

impl LateSlot<'_> {
    /// What is in there, if something is.
    #[inline]
    pub(crate) fn peek<R>(self, f: impl FnOnce(Option<&Arc<LateToken>>) -> R) -> R {
        let late = self.late.take();
        let result = f(late.as_ref());
        // `f` is of this crate, and puts nothing in there.
        mem::forget(self.late.replace(late));
        result
    }

    #[inline]
    pub(crate) fn get(self) -> Option<Arc<LateToken>> {
        self.peek(|late| late.cloned())
    }
}

/// A region's token that has not been needed so far, for those who ride on the region.
pub(crate) struct LateToken {
    parent: StandIn,
    name: Option<Cow<'static, str>>,
    due: Option<Due>,
    /// Under which all who ride were polled last: another poll's makes the token, and nobody rides any more. Kept by the outermost
    /// one alone, which is not below another.
    waker: Option<Waker>,
    /// How often the region has been polled. Counted, and asked, in its polls alone.
    polls: AtomicU32,
    /// Set once the token is there.
    is_made: AtomicBool,
    made: Mutex<Option<CancellationToken>>,
}

impl LateToken {
    /// Of a region that is being polled with this waker; in the memory of one that is over, if there is some to spare.
    ///
    /// # Panics
    /// If the waker's clone does.
    pub(crate) fn new(
        parent: StandIn,
        name: Option<Cow<'static, str>>,
        due: Option<Due>,
        waker: &Waker,
        spare: Option<Arc<Self>>,
    ) -> Arc<Self> {
        let waker = match parent {
            StandIn::Made(_) => Some(waker.clone()),
            StandIn::Late(_) => None,
        };
        if let Some(mut spare) = spare {
            if let Some(late) = Arc::get_mut(&mut spare) {
                (late.parent, late.name, late.due, late.waker) = (parent, name, due, waker);
                return spare;
            }
        }
        Arc::new(Self {
            parent,
            name,
            due,
            waker,
            polls: AtomicU32::new(0),
            is_made: AtomicBool::new(false),
            made: Mutex::new(None),
        })
    }

    /// Is only its region left that has it, and nobody has needed the token? Then the memory is kept in `spare`.
    #[inline]
    fn retire(late: &mut Arc<Self>, spare: &mut Option<Arc<Self>>) -> bool {
        match Arc::get_mut(late) {
            Some(own) if !own.is_made() => {
                let waker = own.waker.take();
                own.parent = StandIn::Made(CancellationToken::never());
                own.name = None;
                *spare = Some(Arc::clone(late));
                // User code, and so the last thing.
                drop(waker);
                true
            }
            _ => false,
        }
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

    /// The token; made now if it was not.
    pub(crate) fn token(&self) -> CancellationToken {
        match self.made() {
            Some(token) => token,
            None => self.make(),
        }
    }

    /// The token, if it has been made.
    pub(crate) fn made(&self) -> Option<CancellationToken> {
        if self.is_made() { lock(&self.made).clone() } else { None }
    }

    /// From the outermost inwards: as deep as scopes may be, there may be little left of the stack.
    #[cold]
    fn make(&self) -> CancellationToken {
        let mut unmade = Vec::new();
        let mut at = self;
        while let StandIn::Late(parent) = &at.parent {
            if parent.is_made() {
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

    /// The region is over: has `end` see to the token, if somebody has it or may have it made; and those who ride polled. If nobody
    /// has, the memory is kept in `spare`.
    #[inline]
    pub(crate) fn end(mut late: Arc<Self>, spare: &mut Option<Arc<Self>>, end: impl FnOnce(&CancellationToken)) {
        if !Self::retire(&mut late, spare) {
            Self::end_needed(late, end);
        }
    }

    #[cold]
    fn end_needed(mut late: Arc<Self>, end: impl FnOnce(&CancellationToken)) {
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

    /// It is ridden on no more: has those polled who do.
    pub(crate) fn let_go(mut late: Arc<Self>, spare: &mut Option<Arc<Self>>) {
        if !Self::retire(&mut late, spare) && Self::is_shared(&mut late) {
            late.wake();
        }
    }

    /// Those who ride are to look, if there are any.
    #[cold]
    pub(crate) fn wake(&self) {
        let mut at = self;
        while let StandIn::Late(parent) = &at.parent {
            at = parent;
        }
        if let Some(waker) = &at.waker {
            waker.wake_by_ref();
        }
    }
}

#[cfg(all(test, cancelable_loom))]
#[path = "late/loom.rs"]
mod loom;
