//! The driver: by hand with a made-up time, then with its thread.

use std::collections::BTreeSet;
use std::io;
use std::panic::panic_any;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::super::driver::{self, Armed, BATCH, Driver, For, Idle, Spawn};
use super::Probe;
use crate::crew::Crew as _;

/// A driver for ever, as alarms refer to one.
fn leaked(start: Spawn) -> &'static Driver {
    Box::leak(Box::new(Driver::new(start)))
}

/// A driver whose time is made up.
fn by_hand() -> &'static Driver {
    leaked(|_, _| Ok(()))
}

/// A driver with a thread of its own.
fn threaded() -> &'static Driver {
    leaked(driver::spawn)
}

fn spawn_if(willing: bool, driver: &'static Driver, turn: usize) -> io::Result<()> {
    if willing {
        driver::spawn(driver, turn)
    } else {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

fn turn_until_idle(driver: &Driver, now: Instant) {
    while driver.turn(now) {}
}

fn micros(driver: &Driver, micros: u64) -> Instant {
    driver.origin() + Duration::from_micros(micros)
}

#[test]
fn deadline_between_ticks_is_rounded_up() {
    let driver = by_hand();
    for (at, early, fires) in [(1_001, 1_999, 2_000), (5_000, 4_999, 5_000), (6_999, 6_999, 7_000)] {
        let probe = Probe::new(|| {});
        let alarm = driver.arm(micros(driver, at), probe.clone().into());
        turn_until_idle(driver, micros(driver, early));
        assert_eq!((probe.woken(), alarm.has_fired()), (0, false), "{at}");
        turn_until_idle(driver, micros(driver, fires));
        assert_eq!((probe.woken(), alarm.has_fired()), (1, true), "{at}");
    }
}

#[test]
fn waker_of_a_token_is_let_go_when_it_has_been_woken() {
    let driver = by_hand();
    let probe = Probe::new(|| {});
    let _alarm = driver.arm_for(driver.origin(), probe.clone().into(), For::Token);
    turn_until_idle(driver, driver.origin());
    assert_eq!((probe.woken(), Arc::strong_count(&probe)), (1, 1));
}

#[test]
fn past_deadline_is_woken_by_the_next_turn_and_not_by_arm() {
    let driver = by_hand();
    turn_until_idle(driver, micros(driver, 9_000_000));
    for at in [0, 1_000, 8_999_999, 9_000_000] {
        let probe = Probe::new(|| {});
        let alarm = driver.arm(micros(driver, at), probe.clone().into());
        assert_eq!(probe.woken(), 0);
        turn_until_idle(driver, micros(driver, 9_000_000));
        assert_eq!((probe.woken(), alarm.has_fired()), (1, true));
    }
    if let Some(before) = driver.origin().checked_sub(Duration::from_millis(5)) {
        let probe = Probe::new(|| {});
        let _alarm = driver.arm(before, probe.clone().into());
        turn_until_idle(driver, driver.origin());
        assert_eq!(probe.woken(), 1);
    }
}

#[test]
fn deadline_decades_ahead_is_armed_and_disarmed() {
    let driver = by_hand();
    let mut far = Vec::new();
    for years in [1_u64, 30, 300, 100_000, 500_000_000] {
        let ahead = Duration::from_secs(years * 365 * 86_400);
        let Some(at) = driver.origin().checked_add(ahead) else {
            continue;
        };
        far.push((at, driver.arm(at, Waker::noop().clone())));
    }
    for (at, alarm) in &far {
        turn_until_idle(driver, *at - Duration::from_millis(1));
        assert!(!alarm.has_fired());
        turn_until_idle(driver, *at);
        assert!(alarm.has_fired());
    }
    assert!(!far.is_empty());
}

#[test]
fn dropped_alarm_frees_its_waker_at_once_and_never_fires() {
    let driver = by_hand();
    let probe = Probe::new(|| {});
    let alarm = driver.arm(micros(driver, 1_000), probe.clone().into());
    assert_eq!((Arc::strong_count(&probe), driver.len()), (2, 1));
    drop(alarm);
    assert_eq!((Arc::strong_count(&probe), driver.len()), (1, 0));
    turn_until_idle(driver, micros(driver, 2_000));
    assert_eq!(probe.woken(), 0);
}

#[test]
fn alarm_dropped_after_it_fired_leaves_the_next_tenant_alone() {
    let driver = by_hand();
    let fired = driver.arm(micros(driver, 1_000), Waker::noop().clone());
    turn_until_idle(driver, micros(driver, 1_000));
    let mut tenant = driver.arm(micros(driver, 2_000), Waker::noop().clone());
    drop(fired);
    assert_eq!((driver.len(), tenant.update(Waker::noop())), (1, false));
}

#[test]
fn update_replaces_the_waker_until_the_alarm_has_fired() {
    let driver = by_hand();
    let [old, new] = [Probe::new(|| {}), Probe::new(|| {})];
    let [first, second] = [Waker::from(old.clone()), Waker::from(new.clone())];
    let mut alarm = driver.arm(micros(driver, 1_000), first.clone());
    assert!(!alarm.update(&first));
    assert_eq!(Arc::strong_count(&old), 3);
    assert!(!alarm.update(&second));
    assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (2, 3));
    turn_until_idle(driver, micros(driver, 1_000));
    assert_eq!((old.woken(), new.woken()), (0, 1));
    assert!(alarm.update(&first) && alarm.has_fired());
    assert_eq!((Arc::strong_count(&old), Arc::strong_count(&new)), (2, 2));
}

#[test]
fn update_says_so_when_the_alarm_fires_before_the_new_waker_is_in() {
    static CALLED: AtomicU64 = AtomicU64::new(0);
    // Called by `arm` and, as it fails, again in the middle of `update`. A millisecond a call.
    fn start(driver: &'static Driver, turn: usize) -> io::Result<()> {
        let now = 1_000 * (1 + CALLED.fetch_add(1, SeqCst));
        turn_until_idle(driver, micros(driver, now));
        spawn_if(false, driver, turn)
    }
    let driver = leaked(start);
    let [old, new] = [Probe::new(|| {}), Probe::new(|| {})];
    let mut alarm = driver.arm_for(micros(driver, 2_000), old.clone().into(), For::Token);
    assert_eq!((old.woken(), driver.len()), (0, 1));
    assert!(alarm.update(&new.clone().into()));
    assert_eq!((old.woken(), new.woken(), Arc::strong_count(&new)), (1, 0, 1));
}

/// A panic payload that panics when it is dropped, and again when that is dropped.
struct Bomb(u8);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 && !thread::panicking() {
            panic_any(Bomb(self.0 - 1));
        }
    }
}

#[test]
fn panicking_wakers_do_not_stop_the_others_of_the_batch_nor_the_thread() {
    let driver = threaded();
    let (sent, woken) = channel();
    let at = Instant::now();
    let mut alarms = Vec::new();
    for n in 0..BATCH + 6 {
        let sent = sent.clone();
        let probe = Probe::new(move || {
            sent.send(n).expect("the test waits for it");
            match n % 4 {
                1 => panic!("this panic is part of the test"),
                2 => panic_any(Bomb(2)),
                _ => {}
            }
        });
        alarms.push(driver.arm(at, probe.into()));
    }
    let all: BTreeSet<usize> = woken.iter().take(alarms.len()).collect();
    assert_eq!(all.len(), alarms.len());
    let _alarm = driver.arm(at, Probe::new(move || sent.send(999).expect("waited for")).into());
    assert_eq!(woken.recv(), Ok(999));
}

#[test]
fn waker_may_arm_and_disarm_while_woken_and_while_dropped() {
    struct Reenters {
        driver: &'static Driver,
        /// Dropped with the waker.
        _inner: Option<Armed>,
    }
    impl Wake for Reenters {
        fn wake(self: Arc<Self>) {
            drop(self.driver.arm(self.driver.origin(), Waker::noop().clone()));
        }
    }
    impl Drop for Reenters {
        fn drop(&mut self) {
            drop(self.driver.arm(self.driver.origin(), Waker::noop().clone()));
        }
    }
    let driver = by_hand();
    let make = |inner| Waker::from(Arc::new(Reenters { driver, _inner: inner }));
    let inner = driver.arm(micros(driver, 5_000), Waker::noop().clone());
    let outer = driver.arm(micros(driver, 5_000), make(Some(inner)));
    drop(outer);
    assert_eq!(driver.len(), 0);
    let mut alarm = driver.arm(micros(driver, 5_000), make(None));
    assert!(!alarm.update(&make(None)));
    turn_until_idle(driver, micros(driver, 5_000));
    assert!(alarm.has_fired());
}

#[test]
fn l23_failed_thread_start_is_tried_again_and_overdue_alarms_fire() {
    static REFUSE: AtomicBool = AtomicBool::new(true);
    static TRIED: AtomicUsize = AtomicUsize::new(0);
    fn start(driver: &'static Driver, turn: usize) -> io::Result<()> {
        TRIED.fetch_add(1, SeqCst);
        spawn_if(!REFUSE.load(SeqCst), driver, turn)
    }
    let driver = leaked(start);
    let (sent, woken) = channel();
    let waker = Waker::from(Probe::new(move || sent.send(()).expect("waited for")));
    let far = driver.origin() + Duration::from_secs(3600);
    let mut alarm = driver.arm_for(far, waker.clone(), For::Token);
    assert_eq!((alarm.has_come(), TRIED.load(SeqCst)), (true, 1));
    assert_eq!((alarm.update(&waker), TRIED.load(SeqCst)), (false, 2));
    REFUSE.store(false, SeqCst);
    // From now on somebody watches it.
    assert!(!alarm.update(&waker));
    assert_eq!((alarm.has_come(), TRIED.load(SeqCst)), (false, 3));
    let _overdue = driver.arm(driver.origin(), waker);
    assert_eq!(woken.recv(), Ok(()));
}

/// How many wakers a forked child would be given.
fn lost_by_a_fork(driver: &'static Driver) -> usize {
    driver.hold().in_child().len()
}

#[test]
fn l23_in_a_child_tokens_that_wait_are_told_to_have_someone_look_and_tasks_find_that_they_have_to() {
    for (whose, told) in [(For::Task, 0), (For::Token, 1)] {
        let driver = by_hand();
        let alarm = driver.arm_for(micros(driver, 1_000), Waker::noop().clone(), whose);
        assert_eq!((alarm.has_come(), lost_by_a_fork(driver)), (false, told));
        assert_eq!(alarm.has_come(), told == 0);
    }
}

#[test]
fn l23_in_a_child_tokens_that_were_being_woken_are_told_again_and_no_task_is() {
    for (whose, told) in [(For::Task, 0), (For::Token, 1)] {
        let driver = by_hand();
        let (sent, lost) = channel();
        let probe = Probe::new(move || sent.send(lost_by_a_fork(driver)).expect("waited for"));
        let _alarm = driver.arm_for(driver.origin(), probe.into(), whose);
        turn_until_idle(driver, driver.origin());
        assert_eq!(lost.recv(), Ok(told));
    }
}

#[test]
fn l23_without_a_thread_who_looks_at_an_alarm_finds_what_the_clock_says_and_tasks_are_told_to_look() {
    let driver = leaked(|_, _| Err(io::ErrorKind::WouldBlock.into()));
    let probe = Probe::new(|| {});
    let waker = Waker::from(probe.clone());
    let far = driver.origin() + Duration::from_secs(3600);
    let mut alarm = driver.arm(far, waker.clone());
    assert_eq!(
        (probe.woken(), alarm.has_come(), alarm.update(&waker)),
        (1, true, false)
    );
    let mut alarm = alarm.rest().arm(driver.origin(), waker.clone());
    assert_eq!((probe.woken(), alarm.has_come(), alarm.update(&waker)), (2, true, true));
}

/// Waits until nobody serves it.
fn until_vacant(driver: &Driver) {
    while driver.is_served() {
        thread::yield_now();
    }
}

#[test]
fn l21_thread_that_ends_is_replaced_and_what_it_left_behind_is_fired() {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    /// The first two end at once, one of them by a panic.
    fn start(driver: &'static Driver, turn: usize) -> io::Result<()> {
        match STARTED.fetch_add(1, SeqCst) {
            n @ 0..2 => thread::Builder::new()
                .spawn(move || {
                    let _shift = driver.begin(turn);
                    assert!(n == 0, "this panic is part of the test");
                })
                .map(drop),
            _ => driver::spawn(driver, turn),
        }
    }
    let driver = leaked(start);
    let (sent, woken) = channel();
    let mut kept = Vec::new();
    for n in 0..3 {
        let sent = sent.clone();
        let waker = Probe::new(move || sent.send(n).expect("waited for"));
        kept.push(driver.arm_for(driver.origin(), waker.into(), For::Token));
        if n < 2 {
            until_vacant(driver);
        }
    }
    assert_eq!(woken.iter().take(3).collect::<BTreeSet<_>>(), BTreeSet::from([0, 1, 2]));
    assert_eq!(STARTED.load(SeqCst), 3);
}

#[test]
fn wakers_that_block_do_not_keep_the_others_of_their_batch_nor_later_ones() {
    let driver = threaded();
    let (sent, woken) = channel();
    let barrier = Arc::new(Barrier::new(4));
    let at = Instant::now();
    let mut alarms = Vec::new();
    for n in 0..6 {
        let (sent, barrier) = (sent.clone(), barrier.clone());
        let probe = Probe::new(move || {
            if n % 2 == 0 {
                barrier.wait();
            }
            sent.send(n).expect("waited for");
        });
        alarms.push(driver.arm(at, probe.into()));
    }
    let came: BTreeSet<_> = woken.iter().take(3).collect();
    assert_eq!(came, BTreeSet::from([1, 3, 5]));
    let later = Probe::new({
        let sent = sent.clone();
        move || sent.send(6).expect("waited for")
    });
    alarms.push(driver.arm(Instant::now() + Duration::from_millis(2), later.into()));
    assert_eq!(woken.recv(), Ok(6));
    barrier.wait();
    let came: BTreeSet<_> = woken.iter().take(3).collect();
    assert_eq!(came, BTreeSet::from([0, 2, 4]));
}

#[test]
fn with_too_many_wakers_that_block_the_others_come_when_one_of_them_is_done() {
    const MANY: usize = 12;
    let driver = threaded();
    let (sent, woken) = channel();
    let (go, gone) = channel::<()>();
    let gone = Arc::new(std::sync::Mutex::new(gone));
    let at = Instant::now();
    let mut alarms = Vec::new();
    for _ in 0..MANY {
        let gone = gone.clone();
        let probe = Probe::new(move || drop(gone.lock().map(|gone| gone.recv())));
        alarms.push(driver.arm(at, probe.into()));
    }
    alarms.push(driver.arm(at, Probe::new(move || sent.send(()).expect("waited for")).into()));
    for _ in 0..MANY {
        go.send(()).expect("waited for");
    }
    assert_eq!(woken.recv(), Ok(()));
}

// Slots that are kept ---------------------------------------------------------------------------

#[test]
fn resting_slot_stays_listed_without_its_waker_until_its_tick_or_its_end() {
    let driver = by_hand();
    let probe = Probe::new(|| {});
    let [first, second] = [1_000, 2_000].map(|at| driver.arm(micros(driver, at), probe.clone().into()).rest());
    assert_eq!((Arc::strong_count(&probe), driver.len()), (1, 2));
    turn_until_idle(driver, micros(driver, 1_000));
    assert_eq!((probe.woken(), driver.len()), (0, 1));
    drop(second);
    assert_eq!(driver.len(), 0);
    // It is listed again when it is needed.
    let armed = first.arm(micros(driver, 3_000), probe.clone().into());
    assert_eq!(driver.len(), 1);
    turn_until_idle(driver, micros(driver, 3_000));
    assert_eq!((probe.woken(), armed.has_fired(), driver.len()), (1, true, 0));
}

#[test]
fn slot_armed_again_fires_at_the_new_time_whether_that_is_earlier_or_later() {
    let driver = by_hand();
    let mut now = 0;
    for (listed, armed_for) in [(5, 9), (5, 5), (9, 5), (1, 700), (700, 1), (64, 65), (0, 3), (3, 0)] {
        let at = |ms: u64| micros(driver, (now + ms) * 1_000);
        let [old, new] = [Probe::new(|| {}), Probe::new(|| {})];
        let idle = driver.arm(at(listed), old.clone().into()).rest();
        let armed = idle.arm(at(armed_for), new.clone().into());
        if armed_for > 0 {
            turn_until_idle(driver, at(armed_for - 1));
            assert_eq!((new.woken(), armed.has_come()), (0, false), "{listed} {armed_for}");
        }
        turn_until_idle(driver, at(armed_for));
        assert_eq!((old.woken(), new.woken()), (0, 1), "{listed} {armed_for}");
        assert!(armed.has_come() && armed.has_fired());
        drop(armed);
        turn_until_idle(driver, at(listed.max(armed_for)));
        assert_eq!(
            (Arc::strong_count(&old), Arc::strong_count(&new), driver.len()),
            (1, 1, 0)
        );
        now += listed.max(armed_for);
    }
}

#[test]
fn slot_pushed_back_again_and_again_is_moved_in_the_wheel_only_when_its_tick_comes() {
    let driver = by_hand();
    let probe = Probe::new(|| {});
    let mut armed = driver.arm(micros(driver, 1_000), probe.clone().into());
    for ms in 0..10_000 {
        armed = armed
            .rest()
            .arm(micros(driver, (ms + 50) * 1_000), probe.clone().into());
        turn_until_idle(driver, micros(driver, ms * 1_000));
        assert_eq!((probe.woken(), driver.len()), (0, 1));
    }
    turn_until_idle(driver, micros(driver, 10_049_000));
    assert_eq!((probe.woken(), armed.has_fired()), (1, true));
}

#[test]
fn slot_listed_anew_by_the_thread_is_armed_in_time_for_between_its_old_and_its_new_tick() {
    let driver = by_hand();
    let probe = Probe::new(|| {});
    let arm = |idle: Idle, at| idle.arm(micros(driver, at), probe.clone().into());
    let armed = driver.arm(micros(driver, 10_000), probe.clone().into());
    let armed = arm(armed.rest(), 20_000);
    turn_until_idle(driver, micros(driver, 10_000));
    let armed = arm(armed.rest(), 15_000);
    turn_until_idle(driver, micros(driver, 15_000));
    assert_eq!((probe.woken(), armed.has_fired()), (1, true));
}

#[test]
fn slot_is_in_the_wheel_once_wherever_it_is_moved() {
    let driver = by_hand();
    let mut armed = driver.arm(micros(driver, 9_000), Waker::noop().clone());
    for at in [5_000, 3_000, 7_000, 1_000] {
        armed = armed.rest().arm(micros(driver, at), Waker::noop().clone());
        assert_eq!(driver.len(), 1);
    }
    drop(armed);
    assert_eq!(driver.len(), 0);
}

#[test]
fn slot_that_has_fired_knows_nothing_of_it_when_it_is_armed_again() {
    let driver = by_hand();
    let armed = driver.arm(micros(driver, 1_000), Waker::noop().clone());
    turn_until_idle(driver, micros(driver, 1_000));
    assert!(armed.has_come());
    let armed = armed.rest().arm(micros(driver, 2_000), Waker::noop().clone());
    assert!(!armed.has_come() && !armed.has_fired());
    turn_until_idle(driver, micros(driver, 2_000));
    assert!(armed.has_come() && armed.has_fired());
}

#[test]
fn slot_armed_again_tries_to_start_the_thread_again() {
    static TRIED: AtomicUsize = AtomicUsize::new(0);
    let driver = leaked(|driver, turn| {
        TRIED.fetch_add(1, SeqCst);
        spawn_if(false, driver, turn)
    });
    let armed = driver.arm(micros(driver, 1_000), Waker::noop().clone());
    let armed = armed.rest().arm(micros(driver, 1_000), Waker::noop().clone());
    assert_eq!(TRIED.load(SeqCst), 2);
    drop(armed);
}

#[test]
fn slot_that_is_left_waits_for_no_lock_and_is_gone_now_or_at_its_tick() {
    let driver = by_hand();
    let idle = |at| driver.arm(micros(driver, at), Waker::noop().clone()).rest();
    idle(1_000).leave();
    assert_eq!(driver.len(), 0);
    let idle = idle(1_000);
    driver.locked(|| idle.leave());
    assert_eq!(driver.len(), 1);
    turn_until_idle(driver, micros(driver, 1_000));
    assert_eq!(driver.len(), 0);
}

#[test]
fn no_lock_is_held_while_a_waker_is_dropped() {
    /// When it is dropped, has the driver's turn done by another thread, which would wait for a lock that is held here.
    struct Turns(&'static Driver);

    impl Wake for Turns {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Turns {
        fn drop(&mut self) {
            let driver = self.0;
            let (done, is_done) = channel();
            thread::spawn(move || {
                turn_until_idle(driver, micros(driver, 1_000));
                done.send(()).expect("waited for");
            });
            let is_done = is_done.recv_timeout(Duration::from_secs(30));
            assert!(is_done.is_ok(), "a lock is held");
        }
    }

    let waker = |driver| Waker::from(Arc::new(Turns(driver)));
    let armed = |driver: &'static Driver| driver.arm(micros(driver, 1_000), waker(driver));
    drop(armed(by_hand()));
    drop(armed(by_hand()).rest());
    assert!(!armed(by_hand()).update(Waker::noop()));
    let driver = by_hand();
    let idle = armed(driver).rest();
    drop(idle.arm(micros(driver, 1_000), waker(driver)));
}

// Races, and the thread ---------------------------------------------------------------------------

/// Runs `turns` on a second thread, at the same time as `meanwhile` on this one.
fn race(turns: impl FnOnce() + Send, meanwhile: impl FnOnce()) {
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            barrier.wait();
            turns();
        });
        barrier.wait();
        meanwhile();
    });
}

#[test]
fn every_alarm_is_woken_or_freed_when_disarming_races_with_firing() {
    const N: usize = 2 * BATCH;
    let driver = by_hand();
    for round in 1..200 {
        let at = micros(driver, 1_000 * round);
        let probes: Vec<_> = (0..N).map(|_| Probe::new(|| {})).collect();
        let arm = |probe: &Arc<Probe>| driver.arm(at, probe.clone().into());
        let alarms: Vec<Armed> = probes.iter().map(arm).collect();
        let (mut kept, mut fired) = (Vec::new(), Vec::new());
        race(
            || turn_until_idle(driver, at),
            || {
                for (n, alarm) in alarms.into_iter().enumerate().rev() {
                    if n % 3 == 0 {
                        kept.push(alarm);
                        fired.push(n);
                    } else if alarm.has_fired() {
                        // So it stays, although the wake itself may still be to come.
                        fired.push(n);
                    }
                }
            },
        );
        assert!(kept.iter().all(Armed::has_fired));
        assert!(fired.iter().all(|&n| probes[n].woken() == 1));
        assert!(probes.iter().all(|probe| probe.woken() <= 1));
        assert!(probes.iter().all(|probe| Arc::strong_count(probe) == 1));
        assert_eq!(driver.len(), 0);
    }
}

#[test]
fn waker_given_in_time_is_woken_when_update_races_with_firing() {
    let driver = by_hand();
    for round in 1..500 {
        let at = micros(driver, 1_000 * round);
        let probes = [Probe::new(|| {}), Probe::new(|| {})];
        let mut alarm = driver.arm(at, probes[0].clone().into());
        let mut late = false;
        race(
            || turn_until_idle(driver, at),
            || late = alarm.update(&probes[1].clone().into()),
        );
        let woken = probes.each_ref().map(|probe| probe.woken());
        assert_eq!(woken, if late { [1, 0] } else { [0, 1] });
        assert!(probes.iter().all(|probe| Arc::strong_count(probe) == 1));
    }
}

/// A waker that reports its number and whether it came too early.
fn reports(n: usize, at: Instant, to: &Sender<(usize, bool)>) -> Waker {
    let to = to.clone();
    Probe::new(move || to.send((n, Instant::now() < at)).expect("the test waits for it")).into()
}

#[test]
fn thread_wakes_in_order_of_deadline_and_never_early() {
    static GATE: AtomicBool = AtomicBool::new(false);
    fn start(driver: &'static Driver, turn: usize) -> io::Result<()> {
        spawn_if(GATE.load(SeqCst), driver, turn)
    }
    // All are armed before the thread exists, so that the order does not depend on the scheduler.
    let driver = leaked(start);
    let (sent, woken) = channel();
    let order = [7, 2, 9, 0, 5, 3, 8, 1, 6, 4];
    let mut alarms = Vec::new();
    for (turn, &n) in order.iter().enumerate() {
        GATE.store(turn + 1 == order.len(), SeqCst);
        let at = driver.origin() + Duration::from_micros(20_000 + 13_700 * n as u64);
        alarms.push(driver.arm_for(at, reports(n, at, &sent), For::Token));
    }
    let came: Vec<_> = woken.iter().take(order.len()).collect();
    assert_eq!(came, (0..10).map(|n| (n, false)).collect::<Vec<_>>());
}

#[test]
fn sleeping_thread_is_told_of_an_earlier_deadline() {
    let driver = threaded();
    let (sent, woken) = channel();
    let far = driver.origin() + Duration::from_secs(100 * 365 * 86_400);
    let _never = driver.arm(far, Waker::noop().clone());
    for n in 0..20 {
        // Wait until it sleeps: with the bell unheard, this would not end.
        while !driver.is_parked() {
            thread::yield_now();
        }
        let at = Instant::now() + Duration::from_micros(300);
        let _alarm = driver.arm(at, reports(n, at, &sent));
        assert_eq!(woken.recv(), Ok((n, false)));
    }
    assert_eq!(driver.len(), 1);
}

#[test]
fn no_alarm_is_lost_when_two_threads_arm_while_the_timer_goes_to_sleep() {
    const N: usize = 2_000;
    let driver = threaded();
    let (sent, woken) = channel();
    let barrier = Barrier::new(2);
    thread::scope(|scope| {
        for side in 0..2 {
            let (barrier, sent) = (&barrier, sent.clone());
            scope.spawn(move || {
                barrier.wait();
                let mut kept = Vec::new();
                for n in 0..N {
                    let at = Instant::now() + Duration::from_micros((n as u64 * 7919) % 2_500);
                    kept.push(driver.arm(at, reports(n * 2 + side, at, &sent)));
                    drop(driver.arm(at, Waker::noop().clone()));
                }
                while kept.iter().any(|alarm| !alarm.has_fired()) {
                    thread::yield_now();
                }
            });
        }
        let came: BTreeSet<_> = woken.iter().take(2 * N).collect();
        assert_eq!(came, (0..2 * N).map(|n| (n, false)).collect());
    });
    assert_eq!(driver.len(), 0);
}
