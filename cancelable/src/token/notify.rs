//! Telling people: the second half of a cancel, after the whole tree has been marked.
//!
//! No lock is held while a waker or a callback runs. A panic in one of them does not stop the others; the first is
//! resumed at the end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::task::Waker;

use super::tree::{Handle, Harvest};
use super::waiters::Notify;
use crate::cause::Cause;

/// Wakers taken per lock. Enough to make the lock cheap, few enough for the stack. (The idea of a fixed batch is
/// tokio's `WakeList`.)
const BATCH: usize = 32;

/// Wakes and calls, and remembers the first panic.
#[derive(Default)]
struct Teller {
    batch: Vec<Waker>,
    panic: Option<Box<dyn Any + Send>>,
}

impl Teller {
    fn run(&mut self, f: impl FnOnce()) {
        // The state that `f` could leave half-done is the user's own, and the panic goes on to the user.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(f)) {
            self.panic.get_or_insert(panic);
        }
    }

    fn flush(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        for waker in batch.drain(..) {
            self.run(|| waker.wake());
        }
        self.batch = batch;
    }
}

/// Tells everyone the harvest has: first those under foreign wakers, then, once the cause says so, the others.
pub(super) fn tell(mut harvest: Harvest, cause: &Cause) {
    let mut teller = Teller::default();

    harvest.for_each(|node| {
        loop {
            let room = BATCH - teller.batch.len();
            let more = node.take_waiters(true, room, |taken| {
                if let Notify::Wake { waker, .. } = taken.into_notify() {
                    teller.batch.push(waker);
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
        teller.run(|| waker.wake());
    }

    while let Some(node) = harvest.pop() {
        tell_node(&node, cause, &mut teller);
        // Perhaps the last handle: what is freed with it is freed here, outside any lock.
        teller.run(|| drop(node));
    }
    teller.flush();
    teller.run(|| drop(harvest));

    if let Some(panic) = teller.panic {
        resume_unwind(panic);
    }
}

/// The second round for one node: wakers in batches, callbacks one by one so that a later one can still be
/// unregistered while an earlier one runs.
fn tell_node(node: &Handle, cause: &Cause, teller: &mut Teller) {
    loop {
        let room = BATCH - teller.batch.len();
        let mut call = None;
        let more = node.take_waiters(false, room, |taken| match taken.into_notify() {
            Notify::Wake { waker, .. } => {
                teller.batch.push(waker);
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
            teller.run(|| callback(cause.reason()));
        } else if !more {
            return;
        } else {
            teller.flush();
        }
    }
}
