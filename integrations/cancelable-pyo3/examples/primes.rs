//! A module of Python's that counts primes, for as long as it is let. Of the repository's root:
//!
//! ```text
//! cargo build --release --manifest-path integrations/cancelable-pyo3/Cargo.toml --example primes
//! cp integrations/cancelable-pyo3/target/release/examples/libprimes.so primes.so        # macOS: libprimes.dylib
//! python3 integrations/cancelable-pyo3/examples/count.py 100000000 --timeout 2
//! ```

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};

use cancelable::{Cancelled, Scope, cancelable};
use cancelable_pyo3::{Failure, Timeout, Token, add_exceptions, beside, block_on, run};
use pyo3::prelude::*;

/// How many counts run.
static RUNNING: AtomicUsize = AtomicUsize::new(0);

struct Running;

impl Running {
    fn begin() -> Self {
        RUNNING.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Each turn of the loop is a check point.
#[cancelable]
fn count(numbers: impl Iterator<Item = u64>) -> Result<u64, Cancelled> {
    let _running = Running::begin();
    let mut primes = 0;
    for n in numbers {
        primes += u64::from(is_prime(n));
    }
    Ok(primes)
}

fn is_prime(n: u64) -> bool {
    (2..).take_while(|d| d * d <= n).all(|d| n % d != 0)
}

fn scope(name: &'static str, timeout: Option<Timeout>, token: Option<&Token>) -> Scope {
    let scope = Scope::new().name(name).timeout(timeout.map(Timeout::duration));
    match token {
        Some(token) => scope.parent(token.token()),
        None => scope,
    }
}

/// How many primes there are below a number.
#[pyfunction]
#[pyo3(signature = (below, *, timeout = None, token = None))]
fn count_primes(py: Python<'_>, below: u64, timeout: Option<Timeout>, token: Option<&Token>) -> PyResult<u64> {
    run(py, scope("count_primes", timeout, token), || count(2..below))
}

/// The same, counted by several threads.
#[pyfunction]
#[pyo3(signature = (below, *, threads = NonZero::new(2).unwrap(), timeout = None, token = None))]
fn count_in_parallel(
    py: Python<'_>,
    below: u64,
    threads: NonZero<usize>,
    timeout: Option<Timeout>,
    token: Option<&Token>,
) -> PyResult<u64> {
    let share = |first| (2..below).skip(first).step_by(threads.get());
    run(py, scope("count_in_parallel", timeout, token), || {
        // The caller's thread waits for the others, and so would not come to a check point.
        beside(|| {
            cancelable::thread::scope(|scope| {
                let workers: Vec<_> = (0..threads.get())
                    .map(|first| scope.spawn(move || count(share(first))))
                    .collect();
                workers.into_iter().map(|worker| worker.join()).sum()
            })
        })
    })
}

/// Waits for a time to come, as for an answer that does not.
#[pyfunction]
#[pyo3(signature = (seconds, *, timeout = None, token = None))]
fn wait(py: Python<'_>, seconds: Timeout, timeout: Option<Timeout>, token: Option<&Token>) -> PyResult<()> {
    run(py, scope("wait", timeout, token), || {
        let _running = Running::begin();
        block_on(cancelable::sleep(seconds.duration()))?
    })
}

/// Calls a function, whose calls of this module end with the timeout.
#[pyfunction]
#[pyo3(signature = (function, *, timeout = None, token = None))]
fn within(py: Python<'_>, function: Py<PyAny>, timeout: Option<Timeout>, token: Option<&Token>) -> PyResult<Py<PyAny>> {
    run(py, scope("within", timeout, token), || {
        Python::attach(|py| function.call0(py)).map_err(Failure::Python)
    })
}

/// How many counts run just now, in all threads.
#[pyfunction]
fn running() -> usize {
    RUNNING.load(Ordering::Relaxed)
}

#[pymodule]
fn primes(module: &Bound<'_, PyModule>) -> PyResult<()> {
    add_exceptions(module)?;
    module.add_class::<Token>()?;
    module.add_function(wrap_pyfunction!(count_primes, module)?)?;
    module.add_function(wrap_pyfunction!(count_in_parallel, module)?)?;
    module.add_function(wrap_pyfunction!(wait, module)?)?;
    module.add_function(wrap_pyfunction!(within, module)?)?;
    module.add_function(wrap_pyfunction!(running, module)?)
}
