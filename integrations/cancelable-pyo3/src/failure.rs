//! `Failure`: why there is no result. A leaf.

use cancelable::Cancelled;
use pyo3::PyErr;

/// What a body that [`run`](crate::run) runs can fail with. An error type of one's own, which is made from a
/// [`Cancelled`](cancelable::Cancelled), has a `From` of its own to this one:
///
/// ```no_run
/// use cancelable::Cancelled;
/// use cancelable_pyo3::Failure;
/// use pyo3::exceptions::PyOSError;
///
/// enum Error {
///     Cancelled(Cancelled),
///     Io(std::io::Error),
/// }
///
/// impl From<Cancelled> for Error {
///     fn from(cancelled: Cancelled) -> Self {
///         Error::Cancelled(cancelled)
///     }
/// }
///
/// impl From<Error> for Failure {
///     fn from(error: Error) -> Self {
///         match error {
///             Error::Cancelled(cancelled) => Failure::Cancelled(cancelled),
///             Error::Io(error) => Failure::Python(error.into()),
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub enum Failure {
    /// It was cancelled.
    Cancelled(Cancelled),
    /// Something else, as it is to be raised.
    Python(PyErr),
}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

impl From<PyErr> for Failure {
    fn from(error: PyErr) -> Self {
        Self::Python(error)
    }
}
