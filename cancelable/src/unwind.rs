//! Running user code (wakers, callbacks, destructors) so that a panic in one piece does not keep the others from running.

use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

/// Runs user code on a thread of the library, or where nobody could take its panic: that ends here. The panic hook has
/// reported it. `None` if it panicked.
///
/// Whatever the code owns has to be moved into `f`, so that its destructors run in here as well.
pub(crate) fn caught<R>(f: impl FnOnce() -> R) -> Option<R> {
    // Whatever `f` leaves half-done is the user's own.
    catch_unwind(AssertUnwindSafe(f)).map_err(discard).ok()
}

/// Drops what user code panicked with. If that panics as well, its payload is leaked: it might go on for ever.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
}

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
        } else {
            discard(payload);
        }
    }

    /// Has anything panicked?
    pub(crate) fn has_panicked(&self) -> bool {
        self.0.is_some()
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
