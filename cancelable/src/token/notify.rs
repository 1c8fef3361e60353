//! A cancel as a whole: first the tree is marked, then everybody is notified.
//!
//! While they are, no lock is held while a waker or a callback runs. A panic in one of them does not stop the others; the first is
//! resumed at the end.

use std::task::Waker;

use super::tree::{Handle, Harvest, Marked};
use super::waiters::{Callback, Notify};
use crate::cause::Cause;
use crate::observe;
use crate::primitive::Arc;
use crate::unwind::FirstPanic;

/// Cancels a node, and with it what is below it or linked to it. `false`: it was cancelled already.
pub(super) fn cancel(node: &Handle, cause: Arc<Cause>) -> bool {
    let asked = observe::asked(|| node.subject());
    match node.mark(cause) {
        Marked::Before => false,
        Marked::Alone { first, has_more } => {
            asked.tell(|| node.cause());
            tell_alone(node, first, has_more);
            true
        }
        Marked::All(harvest, cause) => {
            asked.tell(|| Some(Arc::clone(&cause)));
            tell(*harvest, &cause);
            true
        }
    }
}

/// Wakers taken per lock: enough to make the lock cheap, few enough not to hold others up. (The idea of a fixed batch
/// is tokio's `WakeList`.)
const BATCH: usize = 32;

/// Wakes and calls, and remembers the first panic.
#[derive(Default)]
struct Teller {
    batch: Vec<Waker>,
    panics: FirstPanic,
}

impl Teller {
    fn room(&self) -> usize {
        BATCH - self.batch.len()
    }

    fn push(&mut self, waker: Waker) {
        self.batch.push(waker);
    }

    fn wake(&mut self, waker: Waker) {
        self.panics.run(|| waker.wake());
    }

    /// It is told of the node's own cause, in which the scope that has heard of the event is named.
    fn call(&mut self, callback: Callback, node: &Handle) {
        let Some(cause) = node.cause() else {
            unreachable!("a marked node has a cause")
        };
        self.panics.run(|| callback(cause.reason()));
    }

    fn flush(&mut self) {
        for waker in self.batch.drain(..) {
            self.panics.run(|| waker.wake());
        }
    }
}

/// Tells those who waited for a marked node on which nothing hung: none of them was for the first round.
#[inline]
fn tell_alone(node: &Handle, first: Option<Waker>, has_more: bool) {
    let mut panics = FirstPanic::default();
    if let Some(waker) = first {
        panics.run(|| waker.wake());
    }
    if has_more {
        tell_rest(node, panics);
    } else {
        panics.resume();
    }
}

#[cold]
fn tell_rest(node: &Handle, panics: FirstPanic) {
    let mut teller = Teller {
        panics,
        ..Teller::default()
    };
    tell_node(node, &mut teller);
    teller.flush();
    teller.panics.resume();
}

/// Tells everyone the harvest has: first those under foreign wakers, then, once the cause says so, the others.
fn tell(mut harvest: Harvest, cause: &Cause) {
    let mut teller = Teller::default();

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

    cause.end_rounds(|waker| teller.wake(waker));

    while let Some(node) = harvest.pop() {
        tell_node(&node, &mut teller);
        // Perhaps the last handle: what is freed with it is freed here, outside any lock.
        teller.panics.run(|| drop(node));
    }
    teller.flush();
    teller.panics.run(|| drop(harvest));

    teller.panics.resume();
}

/// The second round for one node: wakers in batches, callbacks one by one so that a later one can still be
/// unregistered while an earlier one runs.
fn tell_node(node: &Handle, teller: &mut Teller) {
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
            teller.call(callback, node);
        } else if !more {
            return;
        } else {
            teller.flush();
        }
    }
}

#[cfg(all(test, not(cancelable_loom)))]
#[path = "tests/notify.rs"]
mod tests;
