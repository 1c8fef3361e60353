//! Models of the driver under loom: every interleaving of the timer's thread with one that arms, asks, updates and disarms.
//!
//! Time is made up: the thread is one call of `turn`, or of `park`. Run by `.ci/token-proof loom`.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use loom::thread::spawn;

use super::super::driver::Driver;

/// Explores `model`, handing it a driver whose time is made up.
fn explore(model: impl Fn(&'static Driver) + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || model(Box::leak(Box::new(Driver::new(|_| Ok(()))))));
}

/// A tick's beginning.
fn tick(driver: &Driver, tick: u64) -> Instant {
    driver.origin() + Duration::from_millis(tick)
}

/// Counts how often it is woken, and whether it is woken before its time. Outside the model: read when the threads have been
/// joined.
struct Count {
    driver: &'static Driver,
    tick: u64,
    woken: AtomicUsize,
}

impl Count {
    fn at(driver: &'static Driver, tick: u64) -> Arc<Self> {
        let woken = AtomicUsize::new(0);
        Arc::new(Self { driver, tick, woken })
    }

    fn woken(&self) -> usize {
        self.woken.load(SeqCst)
    }

    fn waker(self: &Arc<Self>) -> Waker {
        Arc::clone(self).into()
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        assert!(self.driver.has_reached(self.tick), "who is woken must see why");
        self.woken.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_waker_given_in_time_is_woken_and_one_that_comes_too_late_sees_that_the_time_has_come() {
    explore(|driver| {
        let [old, new] = [0; 2].map(|_| Count::at(driver, 1));
        let mut alarm = driver.arm(tick(driver, 1), old.waker());
        let turn = spawn(move || while driver.turn(tick(driver, 1)) {});
        let is_late = alarm.update(&new.waker());
        if is_late {
            assert!(alarm.has_come());
        }
        turn.join().unwrap();
        assert!(alarm.has_come());
        assert_eq!([old.woken(), new.woken()], if is_late { [1, 0] } else { [0, 1] });
    });
}

#[test]
fn who_finds_that_the_time_has_not_come_is_woken_when_it_has() {
    explore(|driver| {
        let count = Count::at(driver, 1);
        let alarm = driver.arm(tick(driver, 1), count.waker());
        let turn = spawn(move || {
            while driver.turn(tick(driver, 0)) {}
            while driver.turn(tick(driver, 1)) {}
        });
        let had_come = alarm.has_come();
        turn.join().unwrap();
        assert!(alarm.has_come() || !had_come, "time does not go back");
        assert_eq!(count.woken(), 1);
    });
}

#[test]
fn a_dropped_alarm_lets_its_waker_go_whether_it_was_woken_or_not() {
    explore(|driver| {
        let (gone, stays) = (Count::at(driver, 1), Count::at(driver, 1));
        let alarm = driver.arm(tick(driver, 1), gone.waker());
        let _stays = driver.arm(tick(driver, 1), stays.waker());
        let turn = spawn(move || while driver.turn(tick(driver, 1)) {});
        drop(alarm);
        turn.join().unwrap();
        assert!(gone.woken() <= 1);
        assert_eq!(stays.woken(), 1);
        assert_eq!([&gone, &stays].map(Arc::strong_count), [1, 1]);
        assert_eq!(driver.len(), 0);
    });
}

#[test]
fn a_thread_that_goes_to_sleep_is_told_of_a_deadline_that_comes_first() {
    explore(|driver| {
        let count = Count::at(driver, 0);
        let far = driver.arm(driver.origin() + Duration::from_secs(3600), count.waker());
        let thread = spawn(move || {
            // Without an end, if the bell is not rung: loom's waits do not time out.
            driver.park();
            while driver.turn(tick(driver, 0)) {}
        });
        let near = driver.arm(tick(driver, 0), count.waker());
        thread.join().unwrap();
        assert_eq!(count.woken(), 1);
        drop((far, near));
    });
}
