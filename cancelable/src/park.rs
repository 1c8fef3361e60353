//! A thread that waits: polls a future, and sleeps in between.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use crate::clock;
use crate::fork::{self, Hook, Layer};
use crate::meter;
use crate::primitive::{Mutex, MutexGuard, lock};

/// Wakes a thread, and remembers it: the future may itself park the thread while it is polled (a lock or a channel that
/// blocks does), and so use up the unpark that was meant for us.
struct Unpark {
    thread: Thread,
    is_woken: AtomicBool,
}

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Threads that wait with the help of somebody else's looking at the clock, by number.
static LISTED: Mutex<BTreeMap<u64, Thread>> = Mutex::new(BTreeMap::new());

/// This thread, for as long as it has to be told if it has to look at the clock by itself.
pub(crate) struct List(u64);

impl List {
    pub(crate) fn add() -> Self {
        fork::register(Layer::Waits, || Hook {
            before,
            after,
            recover: || {},
        });
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        lock(&LISTED).insert(number, thread::current());
        Self(number)
    }
}

impl Drop for List {
    fn drop(&mut self) {
        let thread = lock(&LISTED).remove(&self.0);
        drop(thread);
    }
}

thread_local! {
    /// Keeps the list whole while this thread forks.
    static FORKING: RefCell<Option<MutexGuard<'static, BTreeMap<u64, Thread>>>> = const { RefCell::new(None) };
}

fn before() {
    let list = lock(&LISTED);
    // A thread that forks as its locals are destroyed keeps nothing.
    _ = FORKING.try_with(|forking| *forking.borrow_mut() = Some(list));
}

fn after(_is_child: bool) {
    drop(FORKING.try_with(|forking| forking.borrow_mut().take()));
}

/// There is a deadline that nobody watches: has every listed thread ask again how long it may sleep.
pub(crate) fn look_again() {
    for thread in lock(&LISTED).values() {
        thread.unpark();
    }
}

/// As [`block_on_until`], with nothing to look at by itself.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    block_on_until(future, || None)
}

/// Blocks until `future` is done. It is polled when it is woken, and also at the moment that `look_at` gives: one that nobody
/// will wake it for.
pub(crate) fn block_on_until<F: Future>(future: F, look_at: impl Fn() -> Option<Instant>) -> F::Output {
    let unpark = Arc::new(Unpark {
        thread: thread::current(),
        is_woken: AtomicBool::new(false),
    });
    let waker = Waker::from(Arc::clone(&unpark));
    let _driving = meter::driving();
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        // A thread that has been woken meanwhile is not about to go to sleep: no reason for a clock to move.
        if unpark.is_woken.swap(false, Ordering::Acquire) || clock::move_on() {
            continue;
        }
        let _listed = List::add();
        let _waiting = meter::waiting();
        while !unpark.is_woken.swap(false, Ordering::Acquire) {
            let Some(at) = look_at() else {
                thread::park();
                continue;
            };
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::park_timeout(left);
        }
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests;
