//! How long it is since the place before, almost without looking at the clock.
//!
//! A look at the clock takes 20 to 60 ns; a check point takes one, and there may be a hundred millions of them in a second. So a
//! thread of each recording counts *ticks*, of a tenth of a millisecond or somewhat more, and a thread that is measured looks at the
//! clock at the first places that it passes in a tick, and at few of those after them: of the others it is known only that no tick
//! has come since. A stretch in which two have come is measured all the same, at most a tick too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::clock::hand;

/// How long a tick is, at least.
const TICK: Duration = Duration::from_micros(100);

/// How many places in a tick look at the clock, for each thread.
const LOOKS: u32 = 16;

/// After those, how many places in a row do not.
const SKIPS: u32 = 255;

/// What a recording goes by.
#[derive(Clone, Debug)]
pub(crate) enum Time {
    /// Real time. Without ticks, because there is no thread to be had, every place looks at the clock.
    Real(Option<Arc<Ticks>>),
    /// A clock that stands still by itself, and that every place looks at.
    Hand(hand::Clock),
}

#[derive(Debug, Default)]
pub(crate) struct Ticks(AtomicU64);

impl Time {
    pub(crate) fn real() -> Self {
        let ticks = Arc::new(Ticks::default());
        let counted = Arc::downgrade(&ticks);
        let count = move || {
            while let Some(ticks) = counted.upgrade() {
                ticks.0.fetch_add(1, Ordering::Relaxed);
                drop(ticks);
                thread::sleep(TICK);
            }
        };
        let thread = thread::Builder::new().name("cancelable-ticks".into()).spawn(count);
        Self::Real(thread.is_ok().then_some(ticks))
    }

    fn now(&self) -> Instant {
        match self {
            Self::Real(_) => Instant::now(),
            Self::Hand(clock) => clock.now(),
        }
    }
}

/// What is known of the time when a place has been passed.
pub(super) struct Lap {
    /// Since the last look at the clock.
    pub(super) elapsed: Duration,
    /// That is how long the stretch was. (Otherwise there were others in it.)
    pub(super) is_length: bool,
}

/// Of one thread.
#[derive(Debug)]
pub(super) struct Stopwatch {
    time: Time,
    looked_at: Instant,
    /// The place before has looked.
    has_looked: bool,
    tick: u64,
    looks: u32,
    skips: u32,
}

impl Stopwatch {
    pub(super) fn new(time: &Time) -> Self {
        Self {
            time: time.clone(),
            looked_at: time.now(),
            has_looked: true,
            tick: 0,
            looks: LOOKS,
            skips: 0,
        }
    }

    /// A stretch begins, and none ends.
    pub(super) fn start(&mut self) {
        self.look(self.now());
    }

    /// A place is passed.
    #[inline(always)]
    pub(super) fn lap(&mut self) -> Option<Lap> {
        let tick = self.now();
        if self.skips > 0 && tick == self.tick {
            self.skips -= 1;
            self.has_looked = false;
            return None;
        }
        Some(self.look(tick))
    }

    /// In ticks.
    #[inline(always)]
    fn now(&self) -> u64 {
        match &self.time {
            Time::Real(Some(ticks)) => ticks.0.load(Ordering::Relaxed),
            Time::Real(None) | Time::Hand(_) => 0,
        }
    }

    #[inline(never)]
    fn look(&mut self, tick: u64) -> Lap {
        let now = self.time.now();
        let ticks = tick.wrapping_sub(self.tick);
        let lap = Lap {
            elapsed: now.saturating_duration_since(self.looked_at),
            is_length: self.has_looked || ticks >= 2,
        };
        if ticks > 0 || !matches!(self.time, Time::Real(Some(_))) {
            self.looks = LOOKS;
        }
        self.skips = if self.looks == 0 { SKIPS } else { 0 };
        self.looks = self.looks.saturating_sub(1);
        (self.looked_at, self.has_looked, self.tick) = (now, true, tick);
        lap
    }
}
