//! What the loom models have in common: how a model is explored.

use std::cell::Cell;
use std::sync::Arc;

use loom::model::Builder;
use loom::thread::{self, JoinHandle};

thread_local! {
    /// Is a thread that is started to come first? (Loom runs all threads of a model on the one that explores it.)
    static STARTED_FIRST: Cell<bool> = const { Cell::new(false) };
}

/// Explores `model` with up to `preemptions` switches away from a thread that could have gone on.
///
/// Twice: once a thread that is started begins when the one that started it waits, and once at once. Loom 0.7 remembers of an atomic
/// only who touched it last. So a thread that loads and then stores hides that another has loaded before it, and if that was so in the
/// first run, the load is never tried after the store.
pub(crate) fn explore(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let model = Arc::new(model);
    for started_first in [false, true] {
        let mut builder = Builder::new();
        builder.preemption_bound = Some(preemptions);
        let model = Arc::clone(&model);
        builder.check(move || {
            STARTED_FIRST.set(started_first);
            model();
        });
    }
}

/// Loom's `spawn`, in a model.
pub(crate) fn spawn<T: 'static>(f: impl FnOnce() -> T + 'static) -> JoinHandle<T> {
    let thread = thread::spawn(f);
    if STARTED_FIRST.get() {
        thread::yield_now();
    }
    thread
}
