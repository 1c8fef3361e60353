//! Running user code (wakers, callbacks, destructors) so that a panic in one piece does not keep the others from running.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// Runs pieces of user code and keeps the first panic for the end.
#[derive(Default)]
pub(crate) struct FirstPanic(Option<Box<dyn Any + Send>>);

impl FirstPanic {
    pub(crate) fn run(&mut self, f: impl FnOnce()) {
        // Whatever `f` leaves half-done is the user's own, and the panic goes on to the user.
        if let Err(payload) = catch_unwind(AssertUnwindSafe(f)) {
            self.add(payload);
        }
    }

    /// Adds a panic that was caught elsewhere.
    pub(crate) fn add(&mut self, payload: Box<dyn Any + Send>) {
        if self.0.is_none() {
            self.0 = Some(payload);
        } else if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            // A payload that panics when dropped would go on for ever.
            mem::forget(again);
        }
    }

    /// Has anything panicked?
    pub(crate) fn has_panicked(&self) -> bool {
        self.0.is_some()
    }

    /// Lets the panic end here; the panic hook has reported it.
    pub(crate) fn end_here(self) {
        // Its payload may panic when it is dropped.
        mem::forget(self);
    }

    /// Lets the panic go on. A thread that is unwinding already is spared a second panic, which would abort the process;
    /// the panic hook has reported it.
    pub(crate) fn resume(self) {
        if let Some(payload) = self.0 {
            if thread::panicking() {
                mem::forget(payload);
            } else {
                resume_unwind(payload);
            }
        }
    }
}
