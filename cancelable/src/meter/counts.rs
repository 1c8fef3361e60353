//! What is counted of each stretch.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The lengths of the histogram: shorter than the first, shorter than the second, and so on; and those that are as long as the last.
pub(crate) const BOUNDS: [Duration; 8] = [
    Duration::from_micros(1),
    Duration::from_micros(10),
    Duration::from_micros(100),
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_secs(1),
    Duration::from_secs(10),
];

/// One stretch, as one thread at a time has passed it. Others may read it meanwhile: so these are atomics, and since nobody else
/// writes, no instruction has to lock them.
#[derive(Debug, Default)]
pub(super) struct Counts {
    passes: AtomicU64,
    total: AtomicU64,
    max: AtomicU64,
    lengths: [AtomicU64; BOUNDS.len() + 1],
}

impl Counts {
    #[inline(always)]
    pub(super) fn pass(&self) {
        add(&self.passes, 1);
    }

    /// So much time more was spent in it.
    pub(super) fn spent(&self, time: Duration) {
        add(&self.total, nanos(time));
    }

    /// One was so long.
    pub(super) fn measured(&self, length: Duration) {
        self.max.store(self.max.load(Relaxed).max(nanos(length)), Relaxed);
        let bucket = BOUNDS.iter().take_while(|&&bound| length >= bound).count();
        add(&self.lengths[bucket], 1);
    }

    pub(super) fn read(&self) -> Sums {
        Sums {
            passes: self.passes.load(Relaxed),
            total: Duration::from_nanos(self.total.load(Relaxed)),
            max: Duration::from_nanos(self.max.load(Relaxed)),
            lengths: std::array::from_fn(|bucket| self.lengths[bucket].load(Relaxed)),
        }
    }
}

#[inline(always)]
fn add(sum: &AtomicU64, more: u64) {
    sum.store(sum.load(Relaxed).wrapping_add(more), Relaxed);
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What has been counted of a stretch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) passes: u64,
    pub(crate) total: Duration,
    /// The longest of those that were measured.
    pub(crate) max: Duration,
    /// How many were measured, by length.
    pub(crate) lengths: [u64; BOUNDS.len() + 1],
}

impl Sums {
    pub(crate) fn add(&mut self, other: &Self) {
        self.passes += other.passes;
        self.total += other.total;
        self.max = self.max.max(other.max);
        for (sum, more) in self.lengths.iter_mut().zip(other.lengths) {
            *sum += more;
        }
    }
}
