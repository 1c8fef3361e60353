//! How fast something gets on: an average in which what was long ago counts less and less, smoothed twice, so that work which comes in lumps,
//! or at uneven intervals, does not have it jump.
//!
//! The idea, and the fifteen seconds, are those of indicatif's `Estimator`.

use std::time::Duration;

/// After so long an observation counts a tenth.
const FADES_IN: f64 = 15.0;

/// Times are since the beginning.
#[derive(Clone, Default)]
pub(super) struct Rate {
    /// When work was begun from which this counts.
    from: Duration,
    last: Duration,
    done: f64,
    once: f64,
    twice: f64,
}

/// What is left of an observation's weight at this age, and what has gone, which is not 0 for any age but 0.
fn weight(age: Duration) -> (f64, f64) {
    let lost = -(age.as_secs_f64() / FADES_IN * 0.1_f64.ln()).exp_m1();
    (1.0 - lost, lost)
}

impl Rate {
    /// So much is done by `now`.
    pub(super) fn record(&mut self, now: Duration, done: f64) {
        let age = now.saturating_sub(self.last);
        if done < self.done {
            // Begun again.
            *self = Self {
                from: now,
                last: now,
                done,
                once: 0.0,
                twice: 0.0,
            };
        } else if done > self.done && !age.is_zero() {
            // Else it counts with what comes next.
            let (kept, new) = weight(age);
            self.once = self.once * kept + (done - self.done) / age.as_secs_f64() * new;
            self.twice = self.twice * kept + self.once / self.known(now) * new;
            (self.last, self.done) = (now, done);
        }
    }

    /// How much of all that there could be is known by now: without this, a rate would begin at nothing.
    fn known(&self, now: Duration) -> f64 {
        weight(now.saturating_sub(self.from)).1
    }

    /// Per second; `None` before anything has been done. What stalls gets slower.
    pub(super) fn per_second(&self, now: Duration) -> Option<f64> {
        if self.last <= self.from {
            return None;
        }
        let now = now.max(self.last);
        let (kept, new) = weight(now - self.last);
        let known = self.known(now);
        let twice = self.twice * kept + self.once * kept / known * new;
        Some(twice / known)
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn is_about(rate: &Rate, now: Duration, expected: f64, off: f64) -> bool {
        let per_second = rate.per_second(now).unwrap();
        (per_second - expected).abs() <= expected * off
    }

    #[test]
    fn an_even_pace_is_that_from_the_first_step_on() {
        for step in [Duration::from_nanos(1), Duration::from_millis(7), SECOND * 3600] {
            let mut rate = Rate::default();
            assert_eq!(rate.per_second(step), None);
            for n in 1..100 {
                rate.record(step * n, f64::from(n) * 5.0);
                assert!(
                    is_about(&rate, step * n, 5.0 / step.as_secs_f64(), 1e-6),
                    "{step:?} {n}"
                );
            }
        }
    }

    #[test]
    fn it_is_steady_where_work_comes_in_lumps_and_at_uneven_times() {
        // Ten a second on average: some at once, and then nothing for a while.
        let (mut rate, mut random) = (Rate::default(), 1_u64);
        let mut next = |below: u64| {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % below
        };
        let (mut at, mut done, mut worst) = (Duration::ZERO, 0.0, 0.0_f64);
        for n in 0..5_000 {
            let pause = next(201);
            at += Duration::from_millis(pause);
            done += next(21) as f64 * 0.1;
            rate.record(at, done);
            if n > 300 {
                worst = worst.max((rate.per_second(at).unwrap() - 10.0).abs());
            }
        }
        assert!(worst < 2.5, "{worst}");
    }

    #[test]
    fn what_stalls_gets_slower_and_never_less_than_nothing() {
        let mut rate = Rate::default();
        (1..=10).for_each(|n| rate.record(SECOND * n, f64::from(n)));
        let mut before = rate.per_second(SECOND * 10).unwrap();
        for stalled in [11, 20, 60, 120] {
            let now = rate.per_second(SECOND * stalled).unwrap();
            assert!(now < before && now >= 0.0, "{now}");
            before = now;
        }
        assert_eq!(rate.per_second(SECOND * 1_000_000), Some(0.0));
    }

    #[test]
    fn what_takes_no_time_counts_with_what_comes_next_and_going_back_begins_again() {
        let mut rate = Rate::default();
        rate.record(Duration::ZERO, 5.0);
        assert_eq!(rate.per_second(SECOND), None);
        rate.record(SECOND, 10.0);
        assert!(is_about(&rate, SECOND, 10.0, 1e-9));
        rate.record(SECOND * 2, 3.0);
        assert_eq!(rate.per_second(SECOND * 3), None);
        rate.record(SECOND * 3, 5.0);
        assert!(is_about(&rate, SECOND * 3, 2.0, 1e-9));
        // A clock that goes back.
        rate.record(SECOND, 7.0);
        assert!(is_about(&rate, SECOND, 2.0, 1e-9));
    }
}
