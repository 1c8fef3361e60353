//! A thread of the library that writes down the time for check points, and looks for stragglers.
//!
//! It runs while there are named scopes. While these pass check points it writes a word a hundred times a second; otherwise it sleeps,
//! and looks every few seconds whether a cancelled one does not end. It is started by the first named scope. If it cannot be, or has been
//! lost in a fork, check points look at the real clock, and the next named scope tries again.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::table::{self, Entry};
use super::waits::WaitsFor;
use crate::crew;
use crate::fork::{self, Hook, Layer};
use crate::observe::{Held, Ticks, hold, straggles};

const TICK: Duration = Duration::from_millis(10);
/// How often all scopes are looked at while time is written down.
const LOOK: Duration = Duration::from_secs(1);
/// And while it is not.
const REST: Duration = Duration::from_secs(5);
/// How long after its cancel a scope is said to straggle.
const LATE: Duration = Duration::from_secs(5);

static HAS_THREAD: AtomicBool = AtomicBool::new(false);

/// A scope has been put into the table.
#[inline]
pub(super) fn begin() {
    if !Ticks::are_running() {
        wake();
    }
}

#[cold]
fn wake() {
    fork::register(Layer::Observers, || Hook {
        before,
        after,
        recover: || {},
    });
    if !HAS_THREAD.swap(true, Ordering::Relaxed) {
        match crew::spawn("cancelable-observer", run) {
            Ok(thread) => Ticks::writes(thread.thread().clone()),
            Err(_) => HAS_THREAD.store(false, Ordering::Relaxed),
        }
    }
    Ticks::wake();
}

fn run() {
    let mut looked = Ticks::write();
    loop {
        thread::park_timeout(TICK);
        let now = Ticks::write();
        if looked.until(now) < LOOK {
            continue;
        }
        looked = if look(now, LATE) {
            now
        } else {
            rest();
            Ticks::exact()
        };
    }
}

/// Until a check point is passed, or a scope begins.
fn rest() {
    loop {
        // In this order: who puts a scope into the table looks whether time is written down after that.
        Ticks::stop();
        if table::is_empty() {
            thread::park();
        } else {
            thread::park_timeout(REST);
        }
        if Ticks::are_running() {
            return;
        }
        look(Ticks::exact(), LATE);
    }
}

/// Tells of those that straggle for so long. Has some scope passed a check point since the last look?
fn look(now: Ticks, late: Duration) -> bool {
    let at = Instant::now();
    let mut are_passing = false;
    let mut cancelled: Vec<Entry> = Vec::new();
    table::for_each(|entry| {
        #[cfg(feature = "registry")]
        if let Some(passed) = entry.record.last.get() {
            are_passing |= passed.when.until(now) <= LOOK * 2;
        }
        if !entry.token.is_clear(at) {
            cancelled.push(entry.clone());
        }
    });
    let _ = &mut are_passing;
    for Entry { record, token } in cancelled {
        let Some(cause) = token.known(at).and_then(|token| token.marked_cause()) else {
            continue;
        };
        let since = cause.elapsed();
        if since >= late && record.tell_of() {
            straggles(&record, &cause, since, &WaitsFor::of(&record, now));
        }
    }
    are_passing
}

// Forks ---------------------------------------------------------------------------------------------------------------

thread_local! {
    /// All locks, while this thread forks.
    static FORKING: RefCell<Option<(table::Locked, Held)>> = const { RefCell::new(None) };
}

fn before() {
    let locked = (table::lock_all(), hold());
    // A thread that forks as its locals are destroyed keeps nothing.
    _ = FORKING.try_with(|forking| *forking.borrow_mut() = Some(locked));
}

fn after(is_child: bool) {
    if let Ok(Some((table, held))) = FORKING.try_with(RefCell::take) {
        drop(table);
        if is_child {
            HAS_THREAD.store(false, Ordering::Relaxed);
            held.in_child();
        }
    }
}

#[cfg(all(test, feature = "tracing", feature = "registry", not(cancelable_loom)))]
#[path = "tests.rs"]
mod tests;
