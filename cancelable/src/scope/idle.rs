//! Idle timeouts: a scope is cancelled when nothing has moved in it for so long.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::progress::{Listener, Timeline};
use super::source::{Begun, Fired, Watch};
use crate::delay::Delay;
use crate::reason::CancelReason;
use crate::token::CancellationToken;
use crate::token::pulse::Pulse;

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
        token.keep(Listener::idle_timeout(Arc::clone(&idle)));
        let pulse = self.heartbeat.then(Pulse::new);
        if let Some(pulse) = &pulse {
            token.keep(pulse.clone());
        }
        let token = token.downgrade();
        to.add(false, move |_| {
            let is_inline = idle.timeline.is_virtual();
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
                    Fired::once(poll_fn(|cx| watched.timeline.clock().apply(|| reason.as_mut().poll(cx))).await)
                }),
                guard: None,
            }
        });
    }
}

/// An idle timeout that runs.
pub(super) struct Idle {
    after: Duration,
    location: &'static Location<'static>,
    timeline: Timeline,
    /// When something has moved last: nanoseconds since the start.
    last: AtomicU64,
    /// What has been said then.
    done: AtomicU64,
    total: AtomicU64,
}

impl Idle {
    fn new(after: Duration, location: &'static Location<'static>) -> Self {
        Self {
            after,
            location,
            timeline: Timeline::begin(),
            last: AtomicU64::new(0),
            done: AtomicU64::new(UNKNOWN),
            total: AtomicU64::new(UNKNOWN),
        }
    }

    /// Something has moved, now.
    pub(super) fn moved(&self) {
        let since = u64::try_from(self.timeline.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last.fetch_max(since, Ordering::Relaxed);
    }

    /// The same, and this is how far it has got.
    pub(super) fn report(&self, done: u64, total: Option<u64>) {
        self.moved();
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total.unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// When it is over, if nothing moves. `None`: that is too far away for the clock.
    fn ends_at(&self) -> Option<Instant> {
        let last = Duration::from_nanos(self.last.load(Ordering::Relaxed));
        self.timeline.start().checked_add(last)?.checked_add(self.after)
    }

    /// Completes when nothing has moved for so long. It is polled under the clock that it goes by.
    async fn ended(&self, pulse: Option<&Pulse>, want: impl Fn(&Pulse)) {
        let period = (self.after / PERIODS).max(TICK);
        while let Some(mut at) = self.ends_at() {
            let now = self.timeline.now();
            if at <= now {
                return;
            }
            if let Some(pulse) = pulse {
                want(pulse);
                at = now.checked_add(period).map_or(at, |end| end.min(at));
            }
            Delay::until(at, self.timeline.is_virtual()).await;
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
