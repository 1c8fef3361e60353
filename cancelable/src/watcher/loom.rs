//! Models of the watcher under loom: a future that is watched while it is woken and given up.
//!
//! Run by `.ci/token-proof loom`. The library's thread is a thread of the model that polls what comes from the queue. A lost
//! wake shows as a deadlock.

use std::io;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicBool as StdAtomicBool, AtomicUsize as StdAtomicUsize, Ordering::SeqCst};

use ::loom::cell::UnsafeCell;
use ::loom::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::explore::{self, spawn};

fn explore(model: impl Fn(&'static Watcher) + Send + Sync + 'static) {
    explore::explore(3, move || model(Box::leak(Box::new(Watcher::new(|_, _| Ok(()))))));
}

/// What is known of a watched future outside the model.
#[derive(Default)]
struct Seen {
    waker: StdMutex<Option<Waker>>,
    is_done: StdAtomicBool,
    dropped: StdAtomicUsize,
}

/// Done when it has been woken often enough.
struct Told {
    times: Arc<AtomicUsize>,
    enough: usize,
    /// Loom notices if two threads are here at once.
    polled: UnsafeCell<()>,
    seen: Arc<Seen>,
}

impl Future for Told {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.polled.with_mut(|_| ());
        *self.seen.waker.lock().unwrap() = Some(cx.waker().clone());
        if self.times.load(Ordering::Acquire) < self.enough {
            return Poll::Pending;
        }
        self.seen.is_done.store(true, SeqCst);
        Poll::Ready(())
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.polled.with_mut(|_| ());
        self.seen.dropped.fetch_add(1, SeqCst);
    }
}

struct Watched {
    times: Arc<AtomicUsize>,
    seen: Arc<Seen>,
    waker: Waker,
    vigil: Vigil,
}

/// Has a future watched that has to be woken `enough` times.
fn watched(watcher: &'static Watcher, enough: usize, is_inline: bool) -> Watched {
    let (times, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Seen::default()));
    let told = Told {
        times: Arc::clone(&times),
        enough,
        polled: UnsafeCell::new(()),
        seen: Arc::clone(&seen),
    };
    let vigil = watcher.watch(Box::pin(told), is_inline, Box::new(|_: io::Error| ()));
    let waker = seen.waker.lock().unwrap().take().unwrap();
    Watched {
        times,
        seen,
        waker,
        vigil,
    }
}

/// Tells the future, and wakes it.
fn tell(times: &AtomicUsize, waker: &Waker) {
    times.fetch_add(1, Ordering::Release);
    waker.wake_by_ref();
}

/// What the thread does, until the future is done.
fn serve(watcher: &'static Watcher, seen: &Seen) {
    while !seen.is_done.load(SeqCst) {
        watcher.next().poll();
    }
}

/// The same, as long as there is something in the queue.
fn serve_queued(watcher: &'static Watcher) {
    while let Some(task) = watcher.try_next() {
        task.poll();
    }
}

#[test]
fn a_future_that_is_woken_while_it_is_polled_is_polled_again() {
    explore(|watcher| {
        let watched = watched(watcher, 2, false);
        let (times, waker) = (Arc::clone(&watched.times), watched.waker.clone());
        let teller = spawn(move || {
            tell(&times, &waker);
            tell(&times, &waker);
        });
        serve(watcher, &watched.seen);
        teller.join().unwrap();
        assert_eq!(watched.seen.dropped.load(SeqCst), 1);
    });
}

#[test]
fn a_future_that_two_threads_wake_is_polled_by_one_at_a_time_whoever_is_on_duty() {
    explore(|watcher| {
        let watched = watched(watcher, 2, false);
        let (times, waker) = (Arc::clone(&watched.times), watched.waker.clone());
        let other = spawn(move || {
            tell(&times, &waker);
            // It has taken over from a thread that is stuck.
            serve_queued(watcher);
        });
        tell(&watched.times, &watched.waker);
        serve_queued(watcher);
        other.join().unwrap();
        serve_queued(watcher);
        assert!(watched.seen.is_done.load(SeqCst));
        assert_eq!(watched.seen.dropped.load(SeqCst), 1);
    });
}

#[test]
fn a_future_that_is_polled_where_it_is_woken_is_polled_by_one_of_two_and_often_enough() {
    explore(|watcher| {
        let watched = watched(watcher, 2, true);
        let (times, waker) = (Arc::clone(&watched.times), watched.waker.clone());
        let other = spawn(move || tell(&times, &waker));
        tell(&watched.times, &watched.waker);
        other.join().unwrap();
        assert!(watched.seen.is_done.load(SeqCst));
        assert_eq!(watched.seen.dropped.load(SeqCst), 1);
    });
}

#[test]
fn a_future_that_is_given_up_while_it_is_polled_is_dropped_once() {
    explore(|watcher| {
        let watched = watched(watcher, usize::MAX, false);
        tell(&watched.times, &watched.waker);
        let thread = spawn(move || watcher.next().poll());
        drop(watched.vigil);
        thread.join().unwrap();
        assert_eq!(watched.seen.dropped.load(SeqCst), 1);
    });
}
