//! The slots that a thread keeps, and what it does with them as it goes away.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

/// One that does not fire here.
fn late() -> Alarm {
    arm(Instant::now() + Duration::from_secs(3600), Waker::noop().clone())
}

fn kept() -> usize {
    IDLE.with_borrow(|kept| kept.0.len())
}

#[test]
fn a_thread_keeps_the_slots_of_alarms_that_were_dropped_on_it_so_many_at_most_and_arms_them_again() {
    let keeping = thread::spawn(|| {
        let alarms: Vec<_> = (0..=KEPT).map(|_| late()).collect();
        assert_eq!(kept(), 0);
        drop(alarms);
        assert_eq!(kept(), KEPT);
        let _alarm = late();
        assert_eq!(kept(), KEPT - 1);
    });
    keeping.join().unwrap();
}

#[test]
fn a_thread_that_goes_away_with_slots_waits_for_no_lock() {
    let (go, may_go) = mpsc::channel();
    let (told, is_told) = mpsc::channel();
    let going = thread::spawn(move || {
        drop(late());
        told.send(kept()).unwrap();
        may_go.recv().unwrap();
    });
    assert_eq!(is_told.recv().unwrap(), 1);
    shared().locked(|| {
        go.send(()).unwrap();
        going.join().unwrap();
    });
}
