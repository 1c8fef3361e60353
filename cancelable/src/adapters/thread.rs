//! Plain threads that belong to a scope.

use std::thread::{self, JoinHandle};

use crate::context::propagate;

/// Starts a thread that has the ambient token of this one: its check points notice when the scope is cancelled, dropped
/// or over.
///
/// The scope does not wait for it; [`JoinHandle::join`] does.
///
/// # Panics
///
/// As [`std::thread::spawn`], if the system has no thread to give.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, check};
///
/// let token = CancellationToken::new();
/// let worker = token.sync_scope(|| {
///     cancelable::thread::spawn(|| -> Result<(), Cancelled> { loop { check()?; } })
/// });
/// token.cancel();
/// assert!(worker.join().unwrap().is_err());
/// ```
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    thread::spawn(propagate(f))
}
