//! `run`: a scope round what Python has called.

use std::time::Duration;

use cancelable::{Cancelled, Scope};
use pyo3::{PyErr, PyResult, Python};

use crate::exceptions;
use crate::failure::Failure;

/// How often check points ask the interpreter. It takes its lock each time.
pub(crate) const ASK_EVERY: Duration = Duration::from_millis(20);

/// What the interpreter has said when it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Asked {
    /// A signal has come, and its handler has raised this.
    #[error("a signal handler of Python's has raised {0}")]
    Raised(PyErr),
    #[error("Python's interpreter is shutting down")]
    Finalizing,
}

fn ask() -> Result<(), Asked> {
    match Python::try_attach(|py| py.check_signals()) {
        Some(answer) => answer.map_err(Asked::Raised),
        None => Err(Asked::Finalizing),
    }
}

/// Runs `body` in `scope`, detached from the interpreter, so that other threads of Python go on.
///
/// Its check points (those of `#[cancelable]` functions, [`check`](cancelable::check())) ask every 20 milliseconds whether a signal has
/// come, as the interpreter does between two instructions of its own. So Ctrl-C ends it, and what its handler raises is what Python
/// gets, which is `KeyboardInterrupt` if the program has no other. A handler that raises nothing ends nothing. Python runs handlers on
/// its main thread: what another one has called is cancelled by a timeout, or by a [`Token`](crate::Token).
///
/// Where it waits, no check point comes: see [`block_on`](crate::block_on()) and [`beside`](crate::beside()).
///
/// What `body` does with Python's objects it does within [`Python::attach`]. It is not to wait for something with the interpreter
/// attached, for then nobody else runs.
///
/// # Errors
///
/// | what ended it | what is raised |
/// |---|---|
/// | a signal | what its handler has raised, with a note |
/// | a timeout or deadline of a scope round it | `TimedOut`, a `TimeoutError` |
/// | another cancel | `Cancelled` |
/// | an error of `body`'s own | what [`Failure`] makes of it |
///
/// The text of the first three says who asked for the cancel and where it was noticed. The exceptions have these as attributes, too:
/// see [`add_exceptions`](crate::add_exceptions).
///
/// # Panics
///
/// A panic of `body` becomes pyo3's `PanicException`.
///
/// ```no_run
/// use cancelable::{Cancelled, Scope, cancelable};
/// use cancelable_pyo3::{Timeout, run};
/// use pyo3::prelude::*;
///
/// #[cancelable]
/// fn search(from: u64) -> Result<u64, Cancelled> {
///     let mut n = from;
///     while !is_wanted(n) {
///         n += 1;
///     }
///     Ok(n)
/// }
/// # fn is_wanted(n: u64) -> bool { n == 0 }
///
/// #[pyfunction]
/// #[pyo3(signature = (start, *, timeout = None))]
/// fn find(py: Python<'_>, start: u64, timeout: Option<Timeout>) -> PyResult<u64> {
///     run(py, Scope::new().name("find").timeout(timeout.map(Timeout::duration)), || search(start))
/// }
/// ```
#[track_caller]
pub fn run<T, E>(py: Python<'_>, scope: Scope, body: impl FnOnce() -> Result<T, E> + Send) -> PyResult<T>
where
    T: Send,
    E: From<Cancelled> + Into<Failure> + Send,
{
    let scope = scope.asking(ASK_EVERY, ask);
    let result = py.detach(|| scope.run_sync(body));
    result.map_err(|error| match error.into() {
        Failure::Cancelled(cancelled) => exceptions::of(py, &cancelled).unwrap_or_else(|error| error),
        Failure::Python(error) => error,
    })
}
