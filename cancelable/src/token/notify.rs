//! Telling people: the second half of a cancel, after the whole tree has been marked.
//!
//! No lock is held while a waker or a callback runs. A panic in one of them does not stop the others; the first is
//! resumed at the end.

use std::task::Waker;

use super::tree::{Handle, Harvest};
use super::waiters::Notify;
use crate::cause::Cause;
use crate::unwind::FirstPanic;

/// Wakers taken per lock: enough to make the lock cheap, few enough not to hold others up. (The idea of a fixed batch
/// is tokio's `WakeList`.)
const BATCH: usize = 32;

/// Wakes and calls, and remembers the first panic.
struct Teller {
    batch: [Option<Waker>; BATCH],
    len: usize,
    panics: FirstPanic,
}

impl Teller {
    fn new() -> Self {
        Self {
            batch: [const { None }; BATCH],
            len: 0,
            panics: FirstPanic::default(),
        }
    }

    fn room(&self) -> usize {
        BATCH - self.len
    }

    fn push(&mut self, waker: Waker) {
        self.batch[self.len] = Some(waker);
        self.len += 1;
    }

    fn flush(&mut self) {
        for waker in self.batch[..self.len].iter_mut().filter_map(Option::take) {
            self.panics.run(|| waker.wake());
        }
        self.len = 0;
    }
}

/// Tells everyone the harvest has: first those under foreign wakers, then, once the cause says so, the others.
pub(super) fn tell(mut harvest: Harvest, cause: &Cause) {
    let mut teller = Teller::new();

    harvest.for_each_with_foreign(|node| {
        loop {
            let more = node.take_waiters(true, teller.room(), |taken| {
                if let Notify::Wake { waker, .. } = taken.into_notify() {
                    teller.push(waker);
                }
                true
            });
            if !more {
                break;
            }
            teller.flush();
        }
    });
    teller.flush();

    for waker in cause.tell() {
        teller.panics.run(|| waker.wake());
    }
    for waker in cause.tell_all() {
        teller.panics.run(|| waker.wake());
    }

    while let Some(node) = harvest.pop() {
        tell_node(&node, cause, &mut teller);
        // Perhaps the last handle: what is freed with it is freed here, outside any lock.
        teller.panics.run(|| drop(node));
    }
    teller.flush();
    teller.panics.run(|| drop(harvest));

    teller.panics.resume();
}

/// The second round for one node: wakers in batches, callbacks one by one so that a later one can still be
/// unregistered while an earlier one runs.
fn tell_node(node: &Handle, cause: &Cause, teller: &mut Teller) {
    loop {
        let room = teller.room();
        let mut call = None;
        let more = node.take_waiters(false, room, |taken| match taken.into_notify() {
            Notify::Wake { waker, .. } => {
                teller.push(waker);
                true
            }
            Notify::Call(callback) => {
                call = Some(callback);
                false
            }
            // Links were followed when the tree was marked.
            Notify::Link(_) | Notify::Idle => true,
        });
        if let Some(callback) = call {
            teller.flush();
            teller.panics.run(|| callback(cause.reason()));
        } else if !more {
            return;
        } else {
            teller.flush();
        }
    }
}
