//! A deadline that can be put off.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::clock::{self, InForce};
use crate::delay::Delay;
use crate::reason::CancelReason;
use crate::scope::{Begun, Fired, Source, Watch};
use crate::unwind::FirstPanic;

/// A time limit that can be moved while it runs: a [`Source`] for `until =`, and a handle on it. Cheap to clone; all clones are
/// the same deadline.
///
/// As an *idle timeout*, whatever counts as activity calls [`reset`](Self::reset): the scope is cancelled once nothing has for so
/// long. (For work that reports how far it has got there is [`Scope::idle_timeout`](crate::Scope::idle_timeout).) As a *lease*, its holder
/// [`extend`](Self::extend)s it.
///
/// The first scope that it is given to starts it, as a [`timeout`](crate::Scope::timeout) starts with its scope; or the first
/// call of a method that moves it. The reason has kind [`Timeout`](crate::ReasonKind::Timeout), and the line that made the
/// deadline. Once it has passed for somebody it has passed for good: moving it does nothing any more, and says so.
///
/// It goes by the clock in force where it is used: real time, or, in a test, a paused one.
///
/// Not the token's: [`deadline`](crate::CancellationToken::deadline) and [`remaining`](crate::remaining) do not know of it, since it
/// may be put off. Moving it takes a lock and a look at the clock; only a move to an earlier moment wakes anybody.
///
/// ```
/// use cancelable::{Cancelled, Deadline, ReasonKind, cancel_scope, cancelable, guard};
/// use std::time::Duration;
///
/// /// Each packet may take a while, and all of them as long as they like.
/// #[cancelable(until = &idle)]
/// async fn receive(mut packets: flume::Receiver<u32>, idle: Deadline) -> Result<u32, Cancelled> {
///     let mut sum = 0;
///     while let Ok(packet) = packets.recv_async().await {
///         idle.reset();
///         sum += packet;
///     }
///     Ok(sum)
/// }
///
/// # futures::executor::block_on(async {
/// let (sender, packets) = flume::unbounded();
/// sender.send(7).unwrap();
/// // The sender is still there, and says nothing.
/// let cancelled = receive(packets, Deadline::after(Duration::from_millis(5))).await.unwrap_err();
/// assert_eq!(cancelled.reason().to_string(), "timed out after 5ms");
/// # });
/// ```
#[derive(Clone)]
pub struct Deadline {
    shared: Arc<Shared>,
}

struct Shared {
    after: Duration,
    location: &'static Location<'static>,
    state: Mutex<State>,
}

struct State {
    /// `None`: it has not been started, or is too far away for the clock.
    at: Option<Instant>,
    has_started: bool,
    has_passed: bool,
    /// Of those who wait for it, to be woken when it comes earlier. Each has a number of its own.
    waiting: Vec<(u64, Waker)>,
    next: u64,
}

impl Deadline {
    /// A deadline that passes when this long has gone by since it was started, or last [`reset`](Self::reset).
    ///
    /// Zero is past as soon as it is started. A duration too long for the clock, such as [`Duration::MAX`], never passes.
    #[must_use]
    #[track_caller]
    pub fn after(after: Duration) -> Self {
        Self {
            shared: Arc::new(Shared {
                after,
                location: Location::caller(),
                state: Mutex::new(State {
                    at: None,
                    has_started: false,
                    has_passed: false,
                    waiting: Vec::new(),
                    next: 0,
                }),
            }),
        }
    }

    /// From now on it has its whole time again: something has happened. `false`: too late.
    ///
    /// ```
    /// use cancelable::Deadline;
    /// use std::time::Duration;
    ///
    /// let idle = Deadline::after(Duration::from_secs(60));
    /// assert!(idle.reset());
    /// assert!(idle.remaining().unwrap() > Duration::from_secs(59));
    /// ```
    pub fn reset(&self) -> bool {
        self.put(|now| now.checked_add(self.shared.after))
    }

    /// From now on it has this much time, more or less than before. `false`: too late.
    ///
    /// ```
    /// use cancelable::Deadline;
    /// use std::time::Duration;
    ///
    /// let limit = Deadline::after(Duration::from_secs(60));
    /// assert!(limit.reset_to(Duration::ZERO));
    /// assert!(limit.has_passed());
    /// assert!(!limit.reset());
    /// ```
    pub fn reset_to(&self, after: Duration) -> bool {
        self.put(|now| now.checked_add(after))
    }

    /// Puts it off by this much. `false`: too late.
    ///
    /// ```
    /// use cancelable::Deadline;
    /// use std::time::Duration;
    ///
    /// let lease = Deadline::after(Duration::from_secs(60));
    /// assert!(lease.extend(Duration::from_secs(60)));
    /// assert!(lease.remaining().unwrap() > Duration::from_secs(119));
    /// ```
    pub fn extend(&self, by: Duration) -> bool {
        let mut state = self.start();
        if state.is_past() {
            return false;
        }
        // What is too far away stays there.
        state.at = state.at.and_then(|at| at.checked_add(by));
        true
    }

    /// How much time is left. `None`: there is no end to it.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        let mut state = self.start();
        if state.is_past() {
            return Some(Duration::ZERO);
        }
        let at = state.at?;
        Some(at.saturating_duration_since(clock::now().at))
    }

    /// Has it passed?
    #[must_use]
    pub fn has_passed(&self) -> bool {
        self.start().is_past()
    }

    /// Its state, once it has been started.
    fn start(&self) -> MutexGuard<'_, State> {
        let mut state = self.shared.lock();
        if !state.has_started {
            state.has_started = true;
            state.at = clock::now().at.checked_add(self.shared.after);
        }
        state
    }

    fn put(&self, at: impl FnOnce(Instant) -> Option<Instant>) -> bool {
        let mut state = self.start();
        if state.is_past() {
            return false;
        }
        let before = mem::replace(&mut state.at, at(clock::now().at));
        // Who waits for a moment that has gone to a later one finds out when that has come.
        let is_earlier = state.at.is_some_and(|at| before.is_none_or(|before| at < before));
        let woken = if is_earlier {
            mem::take(&mut state.waiting)
        } else {
            Vec::new()
        };
        drop(state);
        let mut panic = FirstPanic::default();
        for (_, waker) in woken {
            panic.run(|| waker.wake());
        }
        panic.resume();
        true
    }

    fn reason(&self) -> CancelReason {
        CancelReason::timed_out(Some(self.shared.after), self.shared.location)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // No user code runs under it, so what it guards is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Has it passed, for good?
    fn is_past(&mut self) -> bool {
        self.has_passed |= self.at.is_some_and(|at| at <= clock::now().at);
        self.has_passed
    }
}

/// Waits for the deadline, wherever it is moved.
struct Passed {
    deadline: Deadline,
    /// The moment that is waited for.
    delay: Option<(Instant, Delay)>,
    number: Option<u64>,
}

impl Passed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            // Cloned, and what is not needed dropped, without the lock.
            let waker = cx.waker().clone();
            let mut state = self.deadline.start();
            if state.is_past() {
                return Poll::Ready(());
            }
            let at = state.at;
            let number = *self.number.get_or_insert(state.next);
            state.next = state.next.max(number + 1);
            let unused = match state.waiting.iter_mut().find(|(of, _)| *of == number) {
                Some((_, kept)) => Some(mem::replace(kept, waker)),
                None => {
                    state.waiting.push((number, waker));
                    None
                }
            };
            drop(state);
            drop(unused);
            let Some(at) = at else {
                self.delay = None;
                return Poll::Pending;
            };
            let is_virtual = clock::now().is_virtual;
            match &mut self.delay {
                Some((for_moment, _)) if *for_moment == at => {}
                delay => *delay = Some((at, Delay::until(at, is_virtual))),
            }
            let Some((_, delay)) = &mut self.delay else {
                return Poll::Pending;
            };
            if Pin::new(delay).poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.delay = None;
        }
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        let Some(number) = self.number else { return };
        let mut state = self.deadline.shared.lock();
        let at = state.waiting.iter().position(|(of, _)| *of == number);
        let waker = at.map(|at| state.waiting.swap_remove(at));
        drop(state);
        drop(waker);
    }
}

/// A scope that it is given to is cancelled when it passes; so are several, together.
impl Source for Deadline {
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static {
        let mut passed = Passed {
            deadline: self,
            delay: None,
            number: None,
        };
        async move {
            poll_fn(|cx| passed.poll(cx)).await;
            passed.deadline.reason()
        }
    }

    fn attach(self, to: &mut Watch) {
        to.add(false, move |_| {
            let clock = InForce::here();
            let is_inline = clock::now().is_virtual;
            Begun {
                is_inline,
                fired: Box::pin(async move {
                    let mut reason = Box::pin(self.fired());
                    Fired::once(poll_fn(|cx| clock.apply(|| reason.as_mut().poll(cx))).await)
                }),
                guard: None,
            }
        });
    }
}

/// As for the deadline itself.
impl Source for &Deadline {
    fn fired(self) -> impl Future<Output = CancelReason> + Send + 'static {
        self.clone().fired()
    }

    fn attach(self, to: &mut Watch) {
        self.clone().attach(to);
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Deadline")
            .field("after", &self.shared.after)
            .field("has_started", &state.has_started)
            .field("has_passed", &state.has_passed)
            .field("location", &format_args!("{}", self.shared.location))
            .finish_non_exhaustive()
    }
}
