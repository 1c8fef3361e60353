//! Waiting within [`run`](crate::run), where check points come of themselves: somebody has to ask all the same.

use std::future::{IntoFuture, poll_fn};
use std::pin::pin;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::Poll;
use std::{panic, thread};

use cancelable::{Cancelled, Context, check, guard, sleep};

use crate::call::ASK_EVERY;

/// Drives a future on this thread, as [`cancelable::thread::block_on`], and asks for signals meanwhile.
///
/// That may be a whole program of tokio's, a request of one. What needs a runtime is made within it: `runtime.enter()`, or
/// `runtime.spawn(…)` and this for the handle.
///
/// # Errors
///
/// [`Cancelled`], with the line of this call. The future is dropped then.
///
/// ```no_run
/// use cancelable::{Cancelled, Scope};
/// use cancelable_pyo3::{Timeout, block_on, run};
/// use pyo3::prelude::*;
///
/// # async fn fetch(_: String) -> String { String::new() }
/// #[pyfunction]
/// #[pyo3(signature = (address, *, timeout = None))]
/// fn get(py: Python<'_>, address: String, timeout: Option<Timeout>) -> PyResult<String> {
///     let scope = Scope::new().name("get").timeout(timeout.map(Timeout::duration));
///     run(py, scope, || block_on(fetch(address)))
/// }
/// ```
#[track_caller]
pub fn block_on<F: IntoFuture>(future: F) -> Result<F::Output, Cancelled> {
    let mut future = pin!(guard(future));
    let mut tick = pin!(sleep(ASK_EVERY));
    cancelable::thread::block_on(poll_fn(|cx| {
        // It asks.
        if let Poll::Ready(result) = future.as_mut().poll(cx) {
            return Poll::Ready(result);
        }
        while tick.as_mut().poll(cx).is_ready() {
            tick.set(sleep(ASK_EVERY));
        }
        Poll::Pending
    }))?
}

/// Runs a closure on a thread of its own, in the scope of this one, which waits for it and asks for signals meanwhile.
///
/// For what does not come to a check point on the thread that Python has called, though it does on others: a computation of rayon's,
/// a join of threads. And for code that has none and can be stopped by a token alone ([`current`](cancelable::current())). It always
/// waits until the closure is over.
///
/// # Panics
///
/// With what the closure panics with, and if no thread can be started.
///
/// ```no_run
/// use cancelable::{Cancelled, Scope};
/// use cancelable_pyo3::{Timeout, beside, run};
/// use pyo3::prelude::*;
///
/// # fn sum_in_parallel(_: u64) -> Result<u64, Cancelled> { Ok(0) }
/// #[pyfunction]
/// fn sum(py: Python<'_>, below: u64) -> PyResult<u64> {
///     run(py, Scope::new().name("sum"), || beside(|| sum_in_parallel(below)))
/// }
/// ```
pub fn beside<T: Send>(body: impl FnOnce() -> T + Send) -> T {
    let context = Context::current();
    thread::scope(|threads| {
        let (running, over) = mpsc::channel::<()>();
        let worker = threads.spawn(move || {
            let _running = running;
            context.run(body)
        });
        while over.recv_timeout(ASK_EVERY) == Err(RecvTimeoutError::Timeout) {
            // It asks. What it says is the worker's to notice.
            let _ = check();
        }
        worker.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    })
}
