//! Idle timeouts: a scope is cancelled when nothing has moved in it for so long; and `progress`, which says that something has.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::source::{Begun, Fired, Watch};
use crate::clock::{self, InForce};
use crate::context::{for_each_round, tell_observers};
use crate::delay::Delay;
use crate::reason::CancelReason;
use crate::runtime::Runtime;
use crate::token::CancellationToken;
use crate::token::pulse::Pulse;

/// Says how far the work has got: `done` of `total`, or of nobody knows how much.
///
/// It puts off the [idle timeouts](crate::Scope::idle_timeout) of all scopes round this code: those that a cancel would reach it from,
/// be it in a task or on a thread that was started inside, and those outside of a [shield](crate::shield()). What they say when
/// nothing moves any more has the last numbers in it. No order is expected: `done` may go back, and `total` may grow.
///
/// Where no scope of the process has an idle timeout, it costs a load of one word, so a library may call it for whoever wants to know.
/// Elsewhere it takes a lock and a look at the clock, some fifty nanoseconds.
///
/// It is no check point.
///
/// ```
/// use cancelable::{Cancelled, cancelable, progress};
///
/// #[cancelable(idle_timeout = "30s")]
/// fn index(pages: &[String]) -> Result<usize, Cancelled> {
///     let mut words = 0;
///     for (n, page) in pages.iter().enumerate() {
///         progress(n as u64, pages.len() as u64);
///         words += page.split_whitespace().count();       // whatever takes less than half a minute a page
///     }
///     Ok(words)
/// }
///
/// assert_eq!(index(&["one two".to_string(), "three".to_string()]).unwrap(), 3);
/// progress(7, None);                                      // outside of every scope nobody listens
/// ```
pub fn progress(done: u64, total: impl Into<Option<u64>>) {
    let total = total.into();
    tell_observers(done, total);
    if SCOPES.load(Ordering::Relaxed) > 0 {
        tell(done, total);
    }
}

#[cold]
fn tell(done: u64, total: Option<u64>) {
    for_each_round(|token| {
        token.for_each_kept_above(|Listens(idle): &Listens| {
            idle.moved();
            idle.done.store(done, Ordering::Relaxed);
            idle.total.store(total.unwrap_or(UNKNOWN), Ordering::Relaxed);
        });
    });
}

/// How many scopes have an idle timeout.
static SCOPES: AtomicUsize = AtomicUsize::new(0);

const UNKNOWN: u64 = u64::MAX;

/// Check points that count are looked for in periods of this part of the timeout: by so much a cancel may come late.
const PERIODS: u32 = 8;

/// The timer is no finer than this.
const TICK: Duration = Duration::from_millis(1);

/// What a scope is told of its idle timeout.
#[derive(Clone, Copy, Default)]
pub(super) struct IdleOptions {
    pub(super) after: Option<(Duration, &'static Location<'static>)>,
    /// Check points count, too.
    pub(super) heartbeat: bool,
}

impl IdleOptions {
    /// Has it watched on behalf of `token`, the scope's, from now on.
    pub(super) fn attach(self, token: &CancellationToken, to: &mut Watch) {
        let Some((after, location)) = self.after else { return };
        let idle = Arc::new(Idle::new(after, location));
        if idle.ends_at().is_none() {
            return;
        }
        token.keep(Listens::new(&idle));
        let pulse = self.heartbeat.then(Pulse::new);
        if let Some(pulse) = &pulse {
            token.keep(pulse.clone());
        }
        let token = token.downgrade();
        to.add(false, move |_| {
            let is_inline = idle.is_virtual;
            let watched = Arc::clone(&idle);
            let waits = async move {
                let want = |pulse: &Pulse| {
                    if let Some(token) = token.upgrade() {
                        token.want(pulse);
                    }
                };
                idle.ended(pulse.as_ref(), want).await;
                idle.reason()
            };
            Begun {
                is_inline,
                fired: Box::pin(async move {
                    let mut reason = Box::pin(waits);
                    Fired::once(poll_fn(|cx| watched.clock.apply(|| reason.as_mut().poll(cx))).await)
                }),
                guard: None,
            }
        });
    }
}

/// An idle timeout that runs.
struct Idle {
    after: Duration,
    location: &'static Location<'static>,
    start: Instant,
    is_virtual: bool,
    /// The clock that it goes by, and the runtime whose clock that is, wherever something moves.
    clock: InForce,
    runtime: Runtime,
    /// When something has moved last: nanoseconds since the start.
    last: AtomicU64,
    /// What has been said then.
    done: AtomicU64,
    total: AtomicU64,
}

impl Idle {
    fn new(after: Duration, location: &'static Location<'static>) -> Self {
        let now = clock::now();
        Self {
            after,
            location,
            start: now.at,
            is_virtual: now.is_virtual,
            clock: InForce::here(),
            runtime: Runtime::current(),
            last: AtomicU64::new(0),
            done: AtomicU64::new(UNKNOWN),
            total: AtomicU64::new(UNKNOWN),
        }
    }

    fn now(&self) -> Instant {
        if self.is_virtual {
            self.runtime.enter(|| self.clock.apply(clock::now)).at
        } else {
            Instant::now()
        }
    }

    /// Something has moved, now.
    fn moved(&self) {
        let since = self.now().saturating_duration_since(self.start);
        let since = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.last.fetch_max(since, Ordering::Relaxed);
    }

    /// When it is over, if nothing moves. `None`: that is too far away for the clock.
    fn ends_at(&self) -> Option<Instant> {
        let last = Duration::from_nanos(self.last.load(Ordering::Relaxed));
        self.start.checked_add(last)?.checked_add(self.after)
    }

    /// Completes when nothing has moved for so long. It is polled under the clock that it goes by.
    async fn ended(&self, pulse: Option<&Pulse>, want: impl Fn(&Pulse)) {
        let period = (self.after / PERIODS).max(TICK);
        while let Some(mut at) = self.ends_at() {
            let now = self.now();
            if at <= now {
                return;
            }
            if let Some(pulse) = pulse {
                want(pulse);
                at = now.checked_add(period).map_or(at, |end| end.min(at));
            }
            Delay::until(at, self.is_virtual).await;
            // At whatever moment of the period.
            if pulse.is_some_and(Pulse::is_felt) {
                self.moved();
            }
        }
        std::future::pending().await
    }

    fn reason(&self) -> CancelReason {
        let reason = CancelReason::idle_for(self.after, self.location);
        let [done, total] = [&self.done, &self.total].map(|word| word.load(Ordering::Relaxed));
        match (done, total) {
            (UNKNOWN, _) => reason,
            (done, UNKNOWN) => reason.with_message(format!("{done} done")),
            (done, total) => reason.with_message(format!("{done} of {total} done")),
        }
    }
}

/// Kept by the scope's token: where `progress` finds it.
struct Listens(Arc<Idle>);

impl Listens {
    fn new(idle: &Arc<Idle>) -> Self {
        SCOPES.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(idle))
    }
}

impl Drop for Listens {
    fn drop(&mut self) {
        SCOPES.fetch_sub(1, Ordering::Relaxed);
    }
}
