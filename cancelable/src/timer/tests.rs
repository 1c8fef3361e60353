//! Whitebox tests: the module's face here, its parts below, each in a file of its own.
//!
//! Nothing here sleeps to let something happen, and nothing asserts that it happened soon.

mod driver;
#[cfg(cancelable_loom)]
mod loom;
mod wheel;

use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::channel;
use std::task::Wake;
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
fn alarm_can_be_sent_shared_and_kept_across_a_panic() {
    fn holds<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Debug + 'static>() {}
    holds::<Alarm>();
}
