//! How long it is since the place before, almost without looking at the clock.
//!
//! A look at the clock takes 20 to 60 ns; a check point takes one, and there may be a hundred millions of them in a second. So a
//! thread of each recording counts *ticks*, of a tenth of a millisecond or somewhat more, and a thread that is measured looks at the
//! clock at the first places that it passes in a tick, and at few of those after them: of the others it is known only that no tick
//! has come since. A stretch in which two have come is measured all the same, at most a tick too long.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
pub(crate) struct Ticks {
    count: AtomicU64,
    is_over: AtomicBool,
}

impl Time {
    pub(crate) fn real() -> Self {
        let ticks = Arc::new(Ticks::default());
        let counted = Arc::clone(&ticks);
        let count = move || {
            while !counted.is_over.load(Ordering::Relaxed) {
                counted.count.fetch_add(1, Ordering::Relaxed);
                thread::sleep(TICK);
            }
        };
        let thread = thread::Builder::new().name("cancelable-ticks".into()).spawn(count);
        Self::Real(thread.is_ok().then_some(ticks))
    }

    /// Nobody wants to know any more. (Threads that have measured may keep it.)
    pub(super) fn end(&self) {
        if let Self::Real(Some(ticks)) = self {
            ticks.is_over.store(true, Ordering::Relaxed);
        }
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
            Time::Real(Some(ticks)) => ticks.count.load(Ordering::Relaxed),
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
        self.looks = self.looks.saturating_sub(1);
        self.skips = if self.looks == 0 { SKIPS } else { 0 };
        (self.looked_at, self.has_looked, self.tick) = (now, true, tick);
        lap
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::{LOOKS, SKIPS, Stopwatch, Ticks, Time};
    use std::sync::Arc;
    use std::sync::atomic::Ordering;
    use std::thread;

    /// One whose ticks the test counts.
    fn by(ticks: &Arc<Ticks>) -> Stopwatch {
        let mut stopwatch = Stopwatch::new(&Time::Real(Some(Arc::clone(ticks))));
        stopwatch.start();
        stopwatch
    }

    #[test]
    fn in_a_tick_the_first_places_look_and_few_after_them() {
        let ticks = Arc::<Ticks>::default();
        let mut stopwatch = by(&ticks);
        let looks = |stopwatch: &mut Stopwatch, places: u32| (0..places).filter(|_| stopwatch.lap().is_some()).count();
        // One has looked to begin with.
        assert_eq!(looks(&mut stopwatch, LOOKS - 1), LOOKS as usize - 1);
        assert_eq!(looks(&mut stopwatch, SKIPS), 0);
        assert_eq!(looks(&mut stopwatch, 1 + SKIPS), 1);
        ticks.count.fetch_add(1, Ordering::Relaxed);
        assert_eq!(looks(&mut stopwatch, 1), 1);
        assert_eq!(looks(&mut stopwatch, LOOKS), LOOKS as usize - 1);
    }

    #[test]
    fn it_is_a_length_if_the_place_before_has_looked_or_two_ticks_have_come_since() {
        let ticks = Arc::<Ticks>::default();
        let mut stopwatch = by(&ticks);
        let mut is_length = |places: u32, more: u64| {
            for _ in 0..places {
                stopwatch.lap();
            }
            ticks.count.fetch_add(more, Ordering::Relaxed);
            stopwatch.lap().map(|lap| lap.is_length)
        };
        assert_eq!(is_length(LOOKS - 2, 0), Some(true));
        assert_eq!(is_length(3, 1), Some(false));
        assert_eq!(is_length(LOOKS + 3, 2), Some(true));
    }

    #[test]
    fn the_thread_that_counts_ends_with_the_recording() {
        let time = Time::real();
        time.end();
        if let Time::Real(Some(ticks)) = &time {
            while Arc::strong_count(ticks) > 1 {
                thread::yield_now();
            }
        }
    }
}
