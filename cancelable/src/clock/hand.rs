//! The hand-driven clock: time that passes when a test says so. Feature `testing`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A clock that stands still until it is moved.
///
/// Code that runs [under](Self::scope) it goes by it: deadlines, timeouts and graces of scopes,
/// [`sleep`](crate::sleep), [`blocking_sleep`](crate::blocking_sleep) and [`remaining`](crate::remaining). What does
/// not: other crates' timers, and [`cancel_after`](crate::CancellationToken::cancel_after), which the timer thread sees
/// to.
///
/// Clones are the same clock.
///
/// ```
/// use cancelable::testing::{Clock, CountingWaker};
/// use cancelable::{Cancelled, Scope};
/// use std::{future::pending, pin::pin, task::Context, time::Duration};
///
/// let clock = Clock::new();
/// let mut work = pin!(clock.scope(
///     Scope::new().timeout(Duration::from_secs(60)).run(async { Ok::<(), Cancelled>(pending().await) })
/// ));
/// let (counter, waker) = CountingWaker::new();
/// let mut cx = Context::from_waker(&waker);
/// assert!(work.as_mut().poll(&mut cx).is_pending());
///
/// clock.advance(Duration::from_secs(59));
/// assert_eq!(counter.count(), 0);
/// clock.advance(Duration::from_secs(1));
/// assert_eq!(counter.count(), 1);
/// assert!(work.as_mut().poll(&mut cx).is_ready());
/// # use std::future::Future;
/// ```
#[derive(Clone)]
pub struct Clock(Arc<Shared>);

struct Shared {
    /// It moves by itself, to the next moment that somebody waits for, when the thread has nothing else to do.
    is_eager: bool,
    state: Mutex<State>,
}

struct State {
    now: Instant,
    /// Who waits, by moment, and in order of arrival.
    sleepers: BTreeMap<(Instant, u64), Waker>,
    arrivals: u64,
}

thread_local! {
    static CURRENT: RefCell<Option<Clock>> = const { RefCell::new(None) };
}

/// The hand-driven clock that this thread goes by.
pub(crate) fn current() -> Option<Clock> {
    // A thread that is going away has none.
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

impl Clock {
    /// A clock that shows the present, and stops there.
    #[must_use]
    pub fn new() -> Self {
        Self::with(false)
    }

    /// A clock that moves by itself when the thread it is in force on goes to sleep.
    pub(crate) fn eager() -> Self {
        Self::with(true)
    }

    fn with(is_eager: bool) -> Self {
        Self(Arc::new(Shared {
            is_eager,
            state: Mutex::new(State {
                now: Instant::now(),
                sleepers: BTreeMap::new(),
                arrivals: 0,
            }),
        }))
    }

    /// No user code runs under the lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it shows.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.lock().now
    }

    /// Moves it forward, and wakes whoever waits for a moment that has come, in order.
    ///
    /// The tasks woken run when their executor next polls them; what they wait for then is not reached by this step, even
    /// if it lies within. To move from event to event, use [`advance_to_next`](Self::advance_to_next).
    pub fn advance(&self, by: Duration) {
        let mut state = self.lock();
        state.now = state
            .now
            .checked_add(by)
            .expect("a moment that the system can represent");
        let now = state.now;
        let later = state.sleepers.split_off(&(now, u64::MAX));
        let due = mem::replace(&mut state.sleepers, later);
        drop(state);
        for waker in due.into_values() {
            waker.wake();
        }
    }

    /// Moves it to the next moment that somebody waits for, and wakes them. `false`: nobody waits.
    ///
    /// ```
    /// # use std::future::Future;
    /// use cancelable::{sleep, testing::{Clock, CountingWaker}};
    /// use std::{pin::pin, task::{Context, Poll}, time::Duration};
    ///
    /// let clock = Clock::new();
    /// let mut year = pin!(clock.scope(async {
    ///     for _ in 0..365 {
    ///         sleep(Duration::from_secs(24 * 3600)).await.unwrap();
    ///     }
    /// }));
    /// let (counter, waker) = CountingWaker::new();
    /// while year.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
    ///     assert!(clock.advance_to_next());
    /// }
    /// assert_eq!(counter.count(), 365);
    /// ```
    pub fn advance_to_next(&self) -> bool {
        let state = self.lock();
        let next = state.sleepers.first_key_value().map(|(&(at, _), _)| at);
        let by = next.map(|at| at.saturating_duration_since(state.now));
        drop(state);
        by.map(|by| self.advance(by)).is_some()
    }

    /// Has `future` go by this clock wherever it is polled.
    pub fn scope<F: Future>(&self, future: F) -> InClock<F> {
        InClock {
            clock: self.clone(),
            future,
        }
    }

    /// Has `f` go by this clock, and whatever it calls on this thread: an executor, for example.
    pub fn sync_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        /// Puts the outer clock back, whichever way `f` ends.
        struct Restore(Option<Clock>);
        impl Drop for Restore {
            fn drop(&mut self) {
                let inner = CURRENT.with(|current| mem::replace(&mut *current.borrow_mut(), self.0.take()));
                drop(inner);
            }
        }

        let _restore = Restore(CURRENT.with(|current| current.borrow_mut().replace(self.clone())));
        f()
    }

    pub(super) fn sleep_until(&self, at: Instant) -> Sleep {
        Sleep {
            clock: self.clone(),
            at,
            key: None,
        }
    }
}

/// The thread would go to sleep. `true`: an eager clock has moved instead, and woken somebody.
pub(crate) fn move_on() -> bool {
    current().is_some_and(|clock| clock.0.is_eager && clock.advance_to_next())
}

/// A clock that shows the present, and stops there.
impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Clock")
            .field("now", &state.now)
            .field("sleepers", &state.sleepers.len())
            .finish()
    }
}

pin_project_lite::pin_project! {
    /// A future that goes by a hand-driven clock; made by [`Clock::scope`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InClock<F> {
        clock: Clock,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for InClock<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.clock.sync_scope(|| this.future.poll(cx))
    }
}

/// Ready when the clock has come to a moment.
pub(super) struct Sleep {
    clock: Clock,
    at: Instant,
    key: Option<(Instant, u64)>,
}

impl Future for Sleep {
    /// Nothing is left.
    type Output = Duration;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Duration> {
        let waker = cx.waker().clone();
        let this = &mut *self;
        let mut state = this.clock.lock();
        if state.now >= this.at {
            return Poll::Ready(Duration::ZERO);
        }
        let key = *this.key.get_or_insert_with(|| {
            state.arrivals += 1;
            (this.at, state.arrivals)
        });
        let replaced = state.sleepers.insert(key, waker);
        drop(state);
        drop(replaced);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let waker = self.key.and_then(|key| self.clock.lock().sleepers.remove(&key));
        drop(waker);
    }
}
