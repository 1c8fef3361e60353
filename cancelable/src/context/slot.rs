//! The thread-local slot: which frame of which scope the code now running on this thread is in.
//!
//! A frame lives on the stack for the length of one poll, or of one sync scope; the slot points to the innermost. The
//! only unsafe code of this layer is here. It relies on one rule: *the slot points to a frame only while
//! [`Frame::enter`] of that frame is on this thread's stack*, which `enter` sees to on every way out, unwinding
//! included. (The shape, swap in and swap back on drop, is that of tokio's runtime context and tracing's dispatcher.)

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::Location;
use std::ptr;
use std::task::Waker;
use std::time::Duration;

use super::probe;
use crate::clock::Glance;
use crate::error::Cancelled;
use crate::token::{CancellationToken, StateRef};

thread_local! {
    /// Const-initialised and without a destructor: reading it is one load, at any time in the life of the thread.
    static INNERMOST: Cell<*const Frame<'static>> = const { Cell::new(ptr::null()) };
}

/// What check points inside have left pending, as changes since the frame was entered: two numbers in one word, which
/// every await compares.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts(i64);

impl Counts {
    pub(crate) const NOTHING: Self = Self(0);
    /// A pending shield or finishing await: an outer check point must not drop it.
    pub(crate) const ONE_HOLD: Self = Self(1 << 32);
    /// A check point registered on its own, because it is polled under a waker that is not its scope's.
    pub(crate) const ONE_FOREIGN: Self = Self(1);

    pub(crate) fn plus(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    pub(crate) fn holds(self) -> i32 {
        // What the lower half borrowed, if it is negative, is given back.
        ((self.0 - i64::from(self.foreign())) >> 32) as i32
    }

    pub(crate) fn foreign(self) -> i32 {
        self.0 as i32
    }
}

/// What a frame says of itself besides its token.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    /// For error messages.
    pub(crate) name: Option<Cow<'static, str>>,
    /// How long what is cancelled in here may take to get out.
    pub(crate) grace: Option<Duration>,
}

impl About {
    /// Nothing.
    pub(crate) const NOTHING: &'static Self = &Self {
        name: None,
        grace: None,
    };
}

/// A token that is made when somebody first needs it.
pub(crate) trait LazyToken {
    /// The token, made now if need be, as seen from inside the frame `outer`.
    fn get(&self, outer: Option<&Frame<'_>>) -> &CancellationToken;
    /// Can it be told, without having the token made, that it would not be cancelled? With a glance at the clock, if there is
    /// to be one.
    fn is_clear(&self, outer: Option<&Frame<'_>>, glance: Option<&Glance>) -> bool;
}

/// The token of a frame, now or when it is needed.
#[derive(Clone, Copy)]
enum TokenOf<'a> {
    Made(&'a CancellationToken),
    Lazy(&'a dyn LazyToken),
}

/// One stretch of running code with its ambient token.
pub(crate) struct Frame<'a> {
    /// What check points ask: the token's state, or, until there is a token, one that speaks for it.
    state: Cell<StateRef<'a>>,
    token: TokenOf<'a>,
    about: &'a About,
    /// The waker that the scope has woken by a cancel; `None` in sync code.
    waker: Option<&'a Waker>,
    counts: Cell<Counts>,
    outer: Cell<*const Frame<'static>>,
}

impl<'a> Frame<'a> {
    #[inline]
    pub(crate) fn new(token: &'a CancellationToken, about: &'a About, waker: Option<&'a Waker>) -> Self {
        Self::with(token.state_ref(), TokenOf::Made(token), about, waker)
    }

    /// A frame whose token has not been made: until then check points ask `state`, which must not be quiet if the token
    /// would be cancelled or want attention.
    #[inline]
    pub(crate) fn lazy(
        token: &'a dyn LazyToken,
        state: StateRef<'a>,
        about: &'a About,
        waker: Option<&'a Waker>,
    ) -> Self {
        Self::with(state, TokenOf::Lazy(token), about, waker)
    }

    #[inline(always)]
    fn with(state: StateRef<'a>, token: TokenOf<'a>, about: &'a About, waker: Option<&'a Waker>) -> Self {
        Self {
            state: Cell::new(observed(state)),
            token,
            about,
            waker,
            counts: Cell::new(Counts::NOTHING),
            outer: Cell::new(ptr::null()),
        }
    }

    /// Runs `f` with this frame as the innermost one; what its check points counted goes to the frame outside, and is
    /// returned.
    #[inline]
    pub(crate) fn enter<R>(&self, f: impl FnOnce() -> R) -> (R, Counts) {
        /// Puts the outer frame back, whichever way `f` ends.
        struct Leave<'f, 'a>(&'f Frame<'a>);

        impl Drop for Leave<'_, '_> {
            #[inline]
            fn drop(&mut self) {
                INNERMOST.set(self.0.outer.get());
                let counts = self.0.counts.get();
                if counts != Counts::NOTHING {
                    with(|outer| {
                        if let Some(outer) = outer {
                            outer.add(counts);
                        }
                    });
                }
            }
        }

        // The lifetimes are erased; the rule in the module's head makes up for it.
        self.counts.set(Counts::NOTHING);
        self.outer.set(INNERMOST.replace(ptr::from_ref(self).cast()));
        let leave = Leave(self);
        let result = f();
        drop(leave);
        (result, self.counts.get())
    }

    /// Would a cancel of the frame outside, as it was entered, wake `waker` as well? So also if there is none.
    #[inline]
    pub(crate) fn outer_wakes(&self, waker: &Waker) -> bool {
        self.outer().is_none_or(|outer| outer.wakes(waker))
    }

    /// The frame that this one was entered in; `None` before that, too.
    #[inline]
    fn outer(&self) -> Option<&Frame<'a>> {
        let outer: *const Frame<'a> = self.outer.get().cast();
        // SAFETY: set by `enter` of this frame, and what was entered outside it is so still, also when that is over, for it
        // lies further down this thread's stack than this frame does.
        unsafe { outer.as_ref() }
    }

    /// The frame's token; made now if it was not.
    #[inline]
    pub(crate) fn token(&self) -> &'a CancellationToken {
        match self.token {
            TokenOf::Made(token) => token,
            TokenOf::Lazy(token) => {
                let token = token.get(self.outer());
                self.state.set(observed(token.state_ref()));
                token
            }
        }
    }

    /// What check points of this frame ask.
    #[inline(always)]
    pub(crate) fn state(&self) -> StateRef<'a> {
        self.state.get()
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
        self.is_quiet() || self.looks_clear(has_begun)
    }

    #[inline(never)]
    fn looks_clear(&self, has_begun: bool) -> bool {
        let glance = Glance::default();
        self.looks_clear_at((!has_begun).then_some(&glance))
    }

    /// As [`is_clear`](Self::is_clear), for one who looks at the clock as well.
    pub(crate) fn is_clear_at(&self, glance: Option<&Glance>) -> bool {
        self.is_quiet() || self.looks_clear_at(glance)
    }

    fn looks_clear_at(&self, glance: Option<&Glance>) -> bool {
        match self.token {
            // An observer is to see every check point.
            TokenOf::Lazy(token) => !probe::is_watched() && token.is_clear(self.outer(), glance),
            TokenOf::Made(_) => false,
        }
    }

    /// Is the frame's token cancelled? Looks closer if it must.
    pub(crate) fn is_cancelled(&self) -> bool {
        !self.is_clear(false) && self.token().is_cancelled()
    }

    #[inline(always)]
    pub(crate) fn counts(&self) -> Counts {
        self.counts.get()
    }

    pub(crate) fn add(&self, change: Counts) {
        self.counts.set(self.counts.get().plus(change));
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

    /// The error of a check point at `location` in this frame, if its token is cancelled.
    #[cold]
    pub(crate) fn notice(&self, location: &'static Location<'static>) -> Option<Cancelled> {
        if self.notices(location) {
            self.cancelled(location)
        } else {
            None
        }
    }

    /// Does a check point at `location` find this frame's token cancelled?
    #[cold]
    pub(crate) fn notices(&self, location: &'static Location<'static>) -> bool {
        if probe::is_watched() && !self.token().is_marked() {
            probe::check_point(location);
        }
        let cancelled = self.is_cancelled();
        if cancelled {
            probe::noticed(location);
        }
        cancelled
    }

    /// The error of a check point that has found this frame's token cancelled.
    pub(crate) fn cancelled(&self, location: &'static Location<'static>) -> Option<Cancelled> {
        let cause = self.token().cause()?;
        Some(Cancelled::new(cause, location, self.scope_name()))
    }

    /// The name of the innermost named scope round this frame.
    pub(crate) fn scope_name(&self) -> Option<Cow<'static, str>> {
        self.find(|frame| frame.about.name.clone())
    }

    /// The grace of the innermost scope that has one.
    pub(crate) fn grace(&self) -> Option<Duration> {
        self.find(|frame| frame.about.grace)
    }

    /// Looks from this frame outwards for one that has what is asked for.
    fn find<'f, T>(&'f self, ask: impl Fn(&'f Frame<'a>) -> Option<T>) -> Option<T> {
        let mut frame: &'f Frame<'a> = self;
        loop {
            if let Some(found) = ask(frame) {
                return Some(found);
            }
            frame = frame.outer()?;
        }
    }
}

/// What the check points of a frame are to ask: `state`; or, so that an observer sees them all, one that has them look
/// closer every time.
#[inline(always)]
fn observed(state: StateRef<'_>) -> StateRef<'_> {
    if probe::is_watched() {
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

/// Adds `one` to what is pending inside the innermost frame, or takes it back. Without a frame no check point is outside, or
/// none that will ever be polled on this thread again.
pub(crate) fn count(one: Counts, is_pending: bool) {
    let change = if is_pending { one } else { Counts::NOTHING.minus(one) };
    with(|frame| {
        if let Some(frame) = frame {
            frame.add(change);
        }
    });
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    /// `n` times `one`, which may be negative.
    fn times(n: i32, one: Counts) -> Counts {
        let add = |sum: Counts, _| if n < 0 { sum.minus(one) } else { sum.plus(one) };
        (0..n.abs()).fold(Counts::NOTHING, add)
    }

    #[test]
    fn neither_of_the_two_counts_borrows_from_the_other() {
        for (holds, foreign) in (-2..=2).flat_map(|holds| (-2..=2).map(move |foreign| (holds, foreign))) {
            let counts = times(holds, Counts::ONE_HOLD).plus(times(foreign, Counts::ONE_FOREIGN));
            assert_eq!((counts.holds(), counts.foreign()), (holds, foreign));
        }
    }
}
