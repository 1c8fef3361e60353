//! Scopes whose check points ask somebody who can only be asked on their thread: an interpreter that hosts this code.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::panic::Location;
use std::process;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::options::Scope;
use super::run::{IsFailure, is_failure, unless_cancelled};
use crate::clock;
use crate::context::{Frame, Host, Hosted};
use crate::error::FromCancelled;
use crate::reason::CancelReason;
use crate::timer::{self, Alarm};
use crate::token::CancellationToken;

/// The timer is no finer than this.
const TICK: Duration = Duration::from_millis(1);

/// A sync scope whose check points ask its host; made by [`Scope::asking`].
///
/// It has a sync scope's ways to run and no others, for a future may be polled on any thread.
///
/// ```compile_fail,E0599
/// use cancelable::{Cancelled, Scope};
/// use std::time::Duration;
///
/// let scope = Scope::new().asking(Duration::from_millis(10), || false);
/// let future = scope.run(async { Ok::<_, Cancelled>(()) }); // there is only `run_sync`
/// ```
#[must_use = "a scope does nothing until it is given something to `run_sync`"]
pub struct AskingScope<A> {
    scope: Scope,
    host: Asked<A>,
}

impl Scope {
    /// Has the check points of this thread ask `host`, and cancels the scope when it says so: for what must be asked on its own
    /// thread, and is neither `Send` nor `'static`. Python's `check_signals` and R's check for interrupts are such.
    ///
    /// `host` says `true`, which cancels with kind [`Condition`](crate::ReasonKind::Condition), or fails, which cancels with kind
    /// [`Error`](crate::ReasonKind::Error) and keeps its error as the [source](CancelReason::source) of the reason. What can be asked
    /// anywhere is better off as a [`condition`](crate::condition()), which needs no check points.
    ///
    /// ```
    /// use cancelable::{Cancelled, ReasonKind, Scope, cancelable};
    /// use std::{cell::Cell, fmt, time::Duration};
    ///
    /// /// An interpreter that hosts this code: neither it nor what it lends out may leave its thread.
    /// struct Interpreter { calls: Cell<u32> }
    ///
    /// #[derive(Debug, PartialEq)]
    /// struct KeyboardInterrupt;
    /// # impl fmt::Display for KeyboardInterrupt {
    /// #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("KeyboardInterrupt") }
    /// # }
    /// # impl std::error::Error for KeyboardInterrupt {}
    ///
    /// impl Interpreter {
    ///     /// As pyo3's `py.check_signals()`. Somebody presses Ctrl-C before the third call.
    ///     fn check_signals(&self) -> Result<(), KeyboardInterrupt> {
    ///         self.calls.set(self.calls.get() + 1);
    ///         if self.calls.get() < 3 { Ok(()) } else { Err(KeyboardInterrupt) }
    ///     }
    /// }
    ///
    /// #[cancelable]
    /// fn count() -> Result<u64, Cancelled> {
    ///     let mut n = 0_u64;
    ///     while n.count_ones() < 64 {
    ///         n += 1;
    ///     }
    ///     Ok(n)
    /// }
    ///
    /// let py = &Interpreter { calls: Cell::new(0) };
    /// let every = Duration::from_millis(10);
    /// let cancelled = Scope::new().asking(every, || py.check_signals()).run_sync(count).unwrap_err();
    /// assert_eq!(cancelled.kind(), ReasonKind::Error);
    /// let error = cancelled.reason().source().and_then(|error| error.downcast_ref::<KeyboardInterrupt>());
    /// assert_eq!(error, Some(&KeyboardInterrupt));
    /// ```
    ///
    /// # When it is asked
    ///
    /// As the scope begins (if it says so then, the body does not start), and then by the first check point on this thread that comes
    /// `every` after it has answered, or later. Less than a millisecond counts as one; [`Duration::MAX`] is never again. A check
    /// point in between reads one flag, which the timer's thread sets, and no clock: some fifteen nanoseconds. (Where no thread can be
    /// had, it reads the clock.) A virtual clock counts where it is in force.
    ///
    /// Check points of scopes and [shields](crate::shield()) inside, of futures that this thread drives in a `block_on`, and of
    /// contexts that are entered here, ask as well. The answer cancels this scope, so a shield inside goes on. Threads and tasks
    /// that the body starts do not ask, and are cancelled with the scope.
    ///
    /// Nobody asks while the body does not come to a check point, as in a wait: [`blocking_sleep`](crate::blocking_sleep()), a channel,
    /// a `block_on` whose future is pending, a join of threads. There, wait for a while at a time, and [`check`](crate::check()). Once
    /// the scope is cancelled, for whatever reason, it is not asked any more.
    ///
    /// # In the host's code
    ///
    /// It is called outside of every scope: check points in it do not fail, and do not call it again.
    ///
    /// # Panics
    ///
    /// A panic of `host` passes through the check point that asked, and so through the body.
    ///
    /// # Aborts
    ///
    /// If a stackful coroutine suspends inside `host`, and the scope is left before it is resumed: what it runs is gone then.
    #[track_caller]
    pub fn asking<A, R>(self, every: Duration, host: A) -> AskingScope<A>
    where
        A: FnMut() -> R,
        R: Answer,
    {
        let asked = Asking {
            host,
            ask: |host, location| host().reason(location),
            every: every.max(TICK),
            // As the scope begins.
            due: Due::Never,
            location: Location::caller(),
        };
        AskingScope {
            scope: self,
            host: Asked(RefCell::new(asked)),
        }
    }
}

impl<A> AskingScope<A> {
    /// As [`Scope::run_sync`].
    ///
    /// # Errors
    ///
    /// As there.
    #[track_caller]
    pub fn run_sync<T: FromCancelled>(self, f: impl FnOnce() -> T) -> T {
        let location = self.scope.location.unwrap_or(Location::caller());
        self.enter(location, is_failure, unless_cancelled(location, |_| f()))
    }

    /// As [`Scope::run_sync_with`].
    ///
    /// # Errors
    ///
    /// As there.
    #[track_caller]
    pub fn run_sync_with<T: FromCancelled>(self, f: impl FnOnce(&CancellationToken) -> T) -> T {
        let location = self.scope.location.unwrap_or(Location::caller());
        self.enter(
            location,
            is_failure,
            unless_cancelled(location, |frame| f(frame.token())),
        )
    }

    /// As [`Scope::run_anyway_sync`].
    #[track_caller]
    pub fn run_anyway_sync<T>(self, f: impl FnOnce() -> T) -> T {
        self.run_anyway_sync_telling(|_| None, f)
    }

    /// The same, where it can be told of a value whether it stands for a failure.
    #[track_caller]
    pub(crate) fn run_anyway_sync_telling<T>(self, is_failure: IsFailure<T>, f: impl FnOnce() -> T) -> T {
        let location = self.scope.location.unwrap_or(Location::caller());
        self.enter(location, is_failure, |_, _| f())
    }

    pub(crate) fn options(&self) -> &Scope {
        &self.scope
    }

    fn enter<T>(
        self,
        location: &'static Location<'static>,
        is_failure: IsFailure<T>,
        f: impl FnOnce(bool, &Frame<'_>) -> T,
    ) -> T {
        let Self { scope, host } = self;
        // Before the frame is made, which looks for it.
        let _hosted = Hosted::enter();
        scope.enter_sync_at(location, Some(&host), is_failure, |is_cancelled, frame| {
            let is_cancelled = is_cancelled || host.says_so_at_once(frame);
            f(is_cancelled, frame)
        })
    }
}

impl<A> fmt::Debug for AskingScope<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AskingScope")
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

mod sealed {
    use super::{CancelReason, Location};

    pub trait Says {
        fn reason(self, location: &'static Location<'static>) -> Option<CancelReason>;
    }
}

/// What the host of a scope says when it is [asked](Scope::asking): `true`, or an error, to cancel the scope.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say whether a scope is to be cancelled",
    label = "neither `bool` nor `Result<(), E>`",
    note = "a host that is asked says `true`, or fails with an error that is `Send` and `Sync`, to cancel the scope"
)]
pub trait Answer: sealed::Says {}

impl Answer for bool {}

impl sealed::Says for bool {
    fn reason(self, location: &'static Location<'static>) -> Option<CancelReason> {
        let name = || format!("{}:{}", location.file(), location.line());
        self.then(|| CancelReason::condition_at(name().into(), location))
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> Answer for Result<(), E> {}

impl<E: Into<Box<dyn Error + Send + Sync>>> sealed::Says for Result<(), E> {
    fn reason(self, location: &'static Location<'static>) -> Option<CancelReason> {
        self.err().map(|error| CancelReason::error_at(error, location))
    }
}

/// Borrowed while it is asked.
struct Asked<A>(RefCell<Asking<A>>);

struct Asking<A> {
    host: A,
    /// Knows the type of the answer, so that nobody else has to.
    ask: fn(&mut A, &'static Location<'static>) -> Option<CancelReason>,
    every: Duration,
    due: Due,
    location: &'static Location<'static>,
}

impl<A> Asked<A> {
    /// The scope begins. It has a token from now on, for scopes inside that have none rely on its not being cancelled unseen.
    fn says_so_at_once(&self, frame: &Frame<'_>) -> bool {
        let token = frame.token();
        self.0.borrow_mut().ask(frame);
        token.is_marked()
    }
}

impl<A> Host for Asked<A> {
    fn ask_if_due(&self, frame: &Frame<'_>) {
        // If it is being asked, this is a check point in the host's code, or in a callback of the cancel.
        if let Ok(mut asking) = self.0.try_borrow_mut() {
            if asking.due.has_come() {
                asking.ask(frame);
            }
        }
    }
}

impl<A> Asking<A> {
    fn ask(&mut self, frame: &Frame<'_>) {
        if frame.is_cancelled() {
            self.due = Due::Never;
            return;
        }
        // Also if it panics.
        self.due = Due::after(self.every);
        let answer = CancellationToken::never().sync_scope(|| (self.ask)(&mut self.host, self.location));
        match answer {
            None => self.due = Due::after(self.every),
            Some(reason) => {
                self.due = Due::Never;
                frame.token().cancel_with(reason);
            }
        }
    }
}

impl<A> Drop for Asked<A> {
    fn drop(&mut self) {
        if self.0.try_borrow_mut().is_err() {
            // Whoever is resumed in there has lost the ground under its feet.
            eprintln!("cancelable: a scope is left while a suspended coroutine is in the code of its host");
            process::abort();
        }
    }
}

/// When it is to be asked next.
enum Due {
    Never,
    /// Not looked at so far. A short scope takes no alarm.
    Wall(Instant),
    /// Whether it has come is the timer's to say, which is cheaper to ask than the clock.
    Armed(Instant, Alarm),
    Virtual(Instant),
}

impl Due {
    fn after(every: Duration) -> Self {
        let now = clock::now();
        match now.at.checked_add(every) {
            None => Self::Never,
            Some(at) if now.is_virtual => Self::Virtual(at),
            Some(at) => Self::Wall(at),
        }
    }

    fn has_come(&mut self) -> bool {
        match self {
            Self::Never => false,
            Self::Virtual(at) => clock::now().at >= *at,
            // Without a thread, an alarm always says that it may have come.
            Self::Armed(at, alarm) => alarm.has_come() && Instant::now() >= *at,
            &mut Self::Wall(at) => {
                *self = Self::Armed(at, timer::arm(at, Waker::noop().clone()));
                false
            }
        }
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;
    use crate::context::{check, current, is_quiet};
    use crate::error::Cancelled;

    #[test]
    fn check_points_of_the_scope_outside_are_quick_again_afterwards() {
        let outcome: Result<(), Cancelled> = Scope::new().run_sync(|| {
            assert!(is_quiet());
            let inner: Result<(), Cancelled> = Scope::new().asking(TICK, || false).run_sync(|| {
                drop(current());
                assert!(!is_quiet());
                check()
            });
            inner?;
            // It looks once more.
            check()?;
            assert!(is_quiet());
            Ok(())
        });
        outcome.unwrap();
    }
}
