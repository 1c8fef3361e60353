//! What tasks do where no thread can be had that watches their deadlines.

use std::cell::Cell;
use std::task::Waker;
use std::thread;
use std::time::{Duration, Instant};

/// There is no timer thread. So the task is polled again and again, until its time has come: at most once a millisecond, or as
/// often as there are others like it on this thread.
#[cold]
pub(crate) fn wake_by_turns(waker: &Waker) {
    const NAP: Duration = Duration::from_millis(1);
    thread_local! {
        static LAST: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    if LAST.get().is_none_or(|last| last.elapsed() >= NAP) {
        thread::sleep(NAP);
        LAST.set(Some(Instant::now()));
    }
    waker.wake_by_ref();
}
