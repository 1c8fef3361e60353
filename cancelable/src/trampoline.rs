//! Work that would call itself again and again runs one piece after the other instead, on a bounded stack.
//!
//! A destructor of the user's may drop the last handle of something of ours, whose destructor drops something of the
//! user's, and so on, as long as the user's data makes it: an error that carries a `Cancelled` that carries an error.
//! Such work is handed to [`run`] (or [`drop`]). The first few levels run at once, as if this file were not there. What
//! is deeper is put into a queue of this thread, and runs when the outermost piece is done: before the call returns that
//! began it all, though not before the call that asked for it.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::mem::{self, ManuallyDrop};

use crate::unwind::FirstPanic;

/// How many pieces may run inside one another. Enough for ordinary programs never to notice; few enough for a thread with
/// a small stack.
const DEPTH: u32 = 8;

type Work = Box<dyn FnOnce()>;

thread_local! {
    /// How many pieces are running on this thread.
    static RUNNING: Cell<u32> = const { Cell::new(0) };
    /// Those that wait for the outermost one. It empties the queue before it returns, so a destructor of the queue has
    /// nothing to do; without one the queue can be used by the destructors of other thread-locals.
    static WAITING: ManuallyDrop<RefCell<VecDeque<Work>>> = const { ManuallyDrop::new(RefCell::new(VecDeque::new())) };
}

/// One more piece is running, until this is dropped.
struct Running;

impl Running {
    fn enter() -> Self {
        RUNNING.set(RUNNING.get() + 1);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.set(RUNNING.get() - 1);
    }
}

/// Runs `work`: now, or, if this is called from deep inside other work, as soon as the outermost of that is done.
///
/// # Panics
///
/// If `work` does, or what it put off. Nothing that was put off is left out because of that: the first panic goes on when
/// the queue is empty, unless the thread is unwinding already.
pub(crate) fn run(work: impl FnOnce() + 'static) {
    match RUNNING.get() {
        0 => run_outermost(work),
        1..DEPTH => {
            let _running = Running::enter();
            work();
        }
        _ => {
            let work: Work = Box::new(work);
            WAITING.with(|waiting| waiting.borrow_mut().push_back(work));
        }
    }
}

fn run_outermost(work: impl FnOnce()) {
    let mut panics = FirstPanic::default();
    {
        let _running = Running::enter();
        panics.run(work);
        // Not borrowed while a piece runs: it may put off others.
        while let Some(work) = WAITING.with(|waiting| waiting.borrow_mut().pop_front()) {
            panics.run(work);
        }
        // Its memory goes too: nothing is kept for a thread that may end.
        mem::drop(WAITING.with(|waiting| waiting.take()));
    }
    panics.resume();
}

/// Drops `value`, as [`run`] runs work.
pub(crate) fn drop<T: 'static>(value: T) {
    if mem::needs_drop::<T>() {
        run(move || mem::drop(value));
    }
}

#[cfg(all(test, not(cancelable_loom)))]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::{Arc, Mutex};
    use std::thread;

    use super::*;

    type Log = Arc<Mutex<Vec<u32>>>;

    fn log(log: &Log, n: u32) {
        log.lock().unwrap().push(n);
    }

    /// Work that asks for more, `levels` deep; logs each level when it ends.
    fn nested(levels: u32, ended: Log) {
        if levels == 0 {
            return;
        }
        run(move || {
            nested(levels - 1, Arc::clone(&ended));
            log(&ended, levels);
        });
    }

    /// A chain whose links drop one another.
    struct Chain(Option<Box<Chain>>, Arc<Mutex<u32>>);

    impl Drop for Chain {
        fn drop(&mut self) {
            *self.1.lock().unwrap() += 1;
            if let Some(next) = self.0.take() {
                super::drop(next);
            }
        }
    }

    fn chain(links: u32, dropped: &Arc<Mutex<u32>>) -> Option<Box<Chain>> {
        (0..links).fold(None, |next, _| Some(Box::new(Chain(next, Arc::clone(dropped)))))
    }

    #[test]
    fn a_few_levels_nest_as_calls_do() {
        let ended = Log::default();
        nested(DEPTH, Arc::clone(&ended));
        let innermost_first: Vec<_> = (1..=DEPTH).collect();
        assert_eq!(*ended.lock().unwrap(), innermost_first);
    }

    #[test]
    fn a_chain_of_a_million_is_dropped_on_a_small_stack() {
        let dropped = Arc::new(Mutex::new(0));
        let links = chain(1_000_000, &dropped);
        let thread = thread::Builder::new().stack_size(64 * 1024);
        thread.spawn(move || mem::drop(links)).unwrap().join().unwrap();
        assert_eq!(*dropped.lock().unwrap(), 1_000_000);
    }

    #[test]
    fn all_is_done_when_the_outermost_call_returns_and_nothing_is_left_behind() {
        let ended = Log::default();
        nested(100, Arc::clone(&ended));
        let mut ended = ended.lock().unwrap().clone();
        ended.sort_unstable();
        assert!(ended.into_iter().eq(1..=100));
        assert_eq!(RUNNING.get(), 0);
        assert_eq!(WAITING.with(|waiting| waiting.borrow().capacity()), 0);
    }

    #[test]
    fn a_panic_keeps_nothing_from_running_and_goes_on_at_the_end() {
        let ended = Log::default();
        let result = catch_unwind(AssertUnwindSafe(|| {
            let ended = Arc::clone(&ended);
            run(move || {
                fn deep(levels: u32, ended: &Log) {
                    if levels > 0 {
                        let ended = Arc::clone(ended);
                        return run(move || deep(levels - 1, &ended));
                    }
                    for n in [1, 2, 3] {
                        let ended = Arc::clone(ended);
                        run(move || {
                            log(&ended, n);
                            assert!(n == 3, "of {n}");
                        });
                    }
                }
                deep(DEPTH - 1, &ended);
            });
        }));
        let payload = result.unwrap_err();
        assert_eq!(payload.downcast_ref::<String>().unwrap(), "of 1");
        assert_eq!(*ended.lock().unwrap(), [1, 2, 3]);
        assert_eq!(RUNNING.get(), 0);
    }

    #[test]
    fn a_panic_of_a_few_levels_passes_through_them_as_any_does() {
        let result = catch_unwind(|| {
            run(|| {
                let inner = catch_unwind(|| run(|| panic!("inside")));
                assert!(inner.is_err());
            });
        });
        assert!(result.is_ok());
        assert_eq!(RUNNING.get(), 0);
    }

    #[test]
    fn a_thread_that_unwinds_is_not_aborted() {
        struct Unwinding;
        impl Drop for Unwinding {
            fn drop(&mut self) {
                run(|| panic!("second"));
            }
        }
        let result = catch_unwind(|| {
            let _unwinding = Unwinding;
            panic!("first");
        });
        assert_eq!(*result.unwrap_err().downcast_ref::<&str>().unwrap(), "first");
    }

    #[test]
    fn destructors_of_thread_locals_may_use_it() {
        struct Last(Arc<Mutex<u32>>);
        impl Drop for Last {
            fn drop(&mut self) {
                mem::drop(chain(1000, &self.0));
            }
        }
        thread_local! {
            static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
        }
        let dropped = Arc::new(Mutex::new(0));
        let last = Last(Arc::clone(&dropped));
        thread::spawn(move || LAST.set(Some(last))).join().unwrap();
        assert_eq!(*dropped.lock().unwrap(), 1000);
    }
}
