//! Whitebox tests: the module's face here, its parts below, each in a file of its own.
//!
//! Nothing here sleeps to let something happen, and nothing asserts that it happened soon.

mod driver;
#[cfg(cancelable_loom)]
mod loom;
mod wheel;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::Alarm;

/// Counts its wakes, and runs a closure at each.
struct Probe {
    woken: AtomicUsize,
    then: Box<dyn Fn() + Send + Sync>,
}

impl Probe {
    fn new(then: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            woken: AtomicUsize::new(0),
            then: Box::new(then),
        })
    }

    fn woken(&self) -> usize {
        self.woken.load(SeqCst)
    }
}

impl Wake for Probe {
    fn wake(self: Arc<Self>) {
        self.woken.fetch_add(1, SeqCst);
        (self.then)();
    }
}

#[test]
fn timer_of_the_process_runs_on_its_named_thread() {
    let (sent, woken) = channel();
    let waker = Probe::new(move || {
        let _ = sent.send(thread::current().name().map(str::to_owned));
    });
    let _alarm = super::arm(Instant::now() + Duration::from_millis(2), waker.into());
    assert_eq!(woken.recv(), Ok(Some("cancelable-timer".to_owned())));
}

#[test]
fn waker_may_arm_and_disarm_while_an_alarm_is_dropped_and_while_its_thread_goes_away() {
    /// Arms when it is dropped.
    struct Last {
        _inner: Alarm,
    }

    impl Wake for Last {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Last {
        fn drop(&mut self) {
            drop(super::arm(far(), Waker::noop().clone()));
        }
    }

    thread_local! {
        static KEPT: RefCell<Option<Alarm>> = const { RefCell::new(None) };
    }

    fn far() -> Instant {
        Instant::now() + Duration::from_secs(3600)
    }

    let waker = || {
        let _inner = super::arm(far(), Waker::noop().clone());
        Waker::from(Arc::new(Last { _inner }))
    };
    drop(super::arm(far(), waker()));
    // Dropped when the thread's locals are, in whichever order that is.
    for first in [false, true] {
        let thread = thread::spawn(move || {
            if first {
                KEPT.set(None);
            }
            KEPT.set(Some(super::arm(far(), waker())));
            let many: Vec<_> = (0..100).map(|_| super::arm(far(), waker())).collect();
            drop(many);
        });
        assert!(thread.join().is_ok());
    }
}

#[test]
fn no_alarm_is_lost_or_early_when_threads_arm_the_slots_they_kept() {
    const N: usize = 3_000;
    let (sent, woken) = channel();
    let threads: Vec<_> = (0..3)
        .map(|side| {
            let sent = sent.clone();
            thread::spawn(move || {
                let mut kept: Vec<Alarm> = Vec::new();
                for n in 0..N {
                    let now = Instant::now();
                    // Gone before its time, most often; its slot is listed for sooner or later than the next one's.
                    let gone = super::arm(
                        now + Duration::from_micros((n as u64 * 6151) % 7_000),
                        Waker::noop().clone(),
                    );
                    let at = now + Duration::from_micros((n as u64 * 7919) % 3_000);
                    let sent = sent.clone();
                    let probe = Probe::new(move || {
                        sent.send((side * N + n, Instant::now() < at)).expect("waited for");
                    });
                    if n % 2 == 0 {
                        drop(gone);
                        kept.push(super::arm(at, probe.into()));
                    } else {
                        kept.push(super::arm(at, probe.into()));
                        drop(gone);
                    }
                    // What has fired leaves its slot, too.
                    kept.retain(|alarm| !alarm.has_come());
                }
                while kept.iter().any(|alarm| !alarm.has_come()) {
                    thread::yield_now();
                }
            })
        })
        .collect();
    let came: BTreeSet<_> = woken.iter().take(3 * N).collect();
    assert_eq!(came, (0..3 * N).map(|n| (n, false)).collect());
    assert!(threads.into_iter().all(|thread| thread.join().is_ok()));
}

#[test]
fn alarm_can_be_sent_shared_and_kept_across_a_panic() {
    fn holds<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + 'static>() {}
    holds::<Alarm>();
}
