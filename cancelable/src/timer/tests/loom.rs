//! Models of the driver under loom: every interleaving of the timer's thread with one that arms, asks, updates and disarms.
//!
//! Time is made up: the thread is one call of `turn`, or of `park`. Run by `.ci/token-proof loom`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::task::{Wake, Waker};
use std::time::{Duration, Instant};

use super::super::driver::{Armed, Driver};
use crate::explore::{self, spawn};

/// Explores `model`, handing it a driver whose time is made up.
fn explore(model: impl Fn(&'static Time) + Send + Sync + 'static) {
    explore::explore(3, move || {
        let driver = Box::leak(Box::new(Driver::new(|_, _| Ok(()))));
        let now = AtomicU64::new(0);
        model(Box::leak(Box::new(Time { driver, now })));
    });
}

/// A driver, and how far its time has gone: outside the model.
struct Time {
    driver: &'static Driver,
    now: AtomicU64,
}

impl Time {
    /// A tick's beginning.
    fn tick(&self, tick: u64) -> Instant {
        self.driver.origin() + Duration::from_millis(tick)
    }

    fn arm(&self, tick: u64, count: &Arc<Count>) -> Armed {
        self.driver.arm(self.tick(tick), count.waker())
    }

    /// What the timer's thread does when this tick has come.
    fn turn(&self, tick: u64) {
        self.now.fetch_max(tick, SeqCst);
        while self.driver.turn(self.tick(tick)) {}
    }
}

/// Counts how often it is woken, and whether it is woken before its time. Outside the model: read when the threads have been
/// joined.
struct Count {
    time: &'static Time,
    tick: u64,
    woken: AtomicUsize,
}

impl Count {
    fn at(time: &'static Time, tick: u64) -> Arc<Self> {
        let woken = AtomicUsize::new(0);
        Arc::new(Self { time, tick, woken })
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
        assert!(self.time.now.load(SeqCst) >= self.tick, "woken early");
        self.woken.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_waker_given_in_time_is_woken_and_one_that_comes_too_late_sees_that_the_time_has_come() {
    explore(|time| {
        let [old, new] = [0; 2].map(|_| Count::at(time, 1));
        let mut alarm = time.arm(1, &old);
        let turn = spawn(move || time.turn(1));
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
    explore(|time| {
        let count = Count::at(time, 1);
        let alarm = time.arm(1, &count);
        let turn = spawn(move || {
            time.turn(0);
            time.turn(1);
        });
        let had_come = alarm.has_come();
        turn.join().unwrap();
        assert!(alarm.has_come() || !had_come, "time does not go back");
        assert_eq!(count.woken(), 1);
    });
}

#[test]
fn a_dropped_alarm_lets_its_waker_go_whether_it_was_woken_or_not() {
    explore(|time| {
        let (gone, stays) = (Count::at(time, 1), Count::at(time, 1));
        let alarm = time.arm(1, &gone);
        let _stays = time.arm(1, &stays);
        let turn = spawn(move || time.turn(1));
        drop(alarm);
        turn.join().unwrap();
        assert!(gone.woken() <= 1);
        assert_eq!(stays.woken(), 1);
        assert_eq!([&gone, &stays].map(Arc::strong_count), [1, 1]);
        assert_eq!(time.driver.len(), 0);
    });
}

#[test]
fn a_slot_that_is_armed_again_as_it_leaves_the_wheel_is_woken_at_its_new_time_and_once() {
    explore(|time| {
        let (old, new) = (Count::at(time, 1), Count::at(time, 2));
        let idle = time.arm(1, &old).rest();
        let turn = spawn(move || time.turn(1));
        let armed = idle.arm(time.tick(2), new.waker());
        turn.join().unwrap();
        assert!(!armed.has_come());
        assert_eq!([old.woken(), new.woken()], [0, 0]);
        time.turn(2);
        assert!(armed.has_come());
        assert_eq!([old.woken(), new.woken()], [0, 1]);
        drop(armed);
        assert_eq!([&old, &new].map(Arc::strong_count), [1, 1]);
        assert_eq!(time.driver.len(), 0);
    });
}

#[test]
fn a_slot_that_is_armed_for_earlier_than_it_is_listed_is_woken_in_time() {
    explore(|time| {
        let count = Count::at(time, 1);
        let idle = time.arm(2, &count).rest();
        let turn = spawn(move || time.turn(2));
        let armed = idle.arm(time.tick(1), count.waker());
        time.turn(1);
        assert!(armed.has_come());
        turn.join().unwrap();
        assert_eq!(count.woken(), 1);
        drop(armed);
        assert_eq!((Arc::strong_count(&count), time.driver.len()), (1, 0));
    });
}

#[test]
fn a_slot_that_is_moved_as_its_new_tick_comes_can_be_armed_again() {
    explore(|time| {
        let [old, new] = [1, 3].map(|tick| Count::at(time, tick));
        let idle = time.arm(4, &old).rest();
        let turn = spawn(move || time.turn(1));
        let idle = idle.arm(time.tick(1), old.waker()).rest();
        let armed = idle.arm(time.tick(3), new.waker());
        turn.join().unwrap();
        time.turn(3);
        assert!(old.woken() <= 1);
        assert_eq!(new.woken(), 1);
        drop(armed);
        assert_eq!([&old, &new].map(Arc::strong_count), [1, 1]);
        assert_eq!(time.driver.len(), 0);
    });
}

#[test]
fn an_alarm_that_rests_as_it_fires_lets_its_waker_go() {
    explore(|time| {
        let count = Count::at(time, 1);
        let armed = time.arm(1, &count);
        let turn = spawn(move || time.turn(1));
        let idle = armed.rest();
        turn.join().unwrap();
        assert!(count.woken() <= 1);
        assert_eq!(Arc::strong_count(&count), 1);
        drop(idle);
        assert_eq!(time.driver.len(), 0);
    });
}

#[test]
fn a_thread_that_sleeps_until_an_idle_slot_is_told_of_a_deadline_that_comes_first() {
    explore(|time| {
        let count = Count::at(time, 0);
        let idle = time.arm(3_600_000, &count).rest();
        let thread = spawn(move || {
            time.driver.park();
            time.turn(0);
        });
        let armed = idle.arm(time.tick(0), count.waker());
        thread.join().unwrap();
        assert_eq!(count.woken(), 1);
        drop(armed);
    });
}

#[test]
fn a_thread_that_goes_to_sleep_is_told_of_a_deadline_that_comes_first() {
    explore(|time| {
        let count = Count::at(time, 0);
        let far = time.arm(3_600_000, &count);
        let thread = spawn(move || {
            // Without an end, if the bell is not rung: loom's waits do not time out.
            time.driver.park();
            time.turn(0);
        });
        let near = time.arm(0, &count);
        thread.join().unwrap();
        assert_eq!(count.woken(), 1);
        drop((far, near));
    });
}
