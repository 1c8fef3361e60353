//! `Timeout`: a time as Python programs give it. A leaf.

use std::time::Duration;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

/// A parameter that takes seconds, as a number, or a `datetime.timedelta`; with `None`, an `Option` of it.
///
/// For [`Scope::timeout`](cancelable::Scope::timeout) it is a [`Duration`]: `timeout.map(Timeout::duration)`. Infinity, and what is longer than a
/// `Duration` can be, is no limit. Zero is none to begin with: what it bounds does not start.
///
/// # Errors
///
/// `ValueError` for a negative one, or one that is not a number; `TypeError` for anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timeout(Duration);

impl Timeout {
    /// The time.
    #[must_use]
    pub const fn duration(self) -> Duration {
        self.0
    }
}

impl From<Timeout> for Duration {
    fn from(timeout: Timeout) -> Self {
        timeout.0
    }
}

impl<'py> FromPyObject<'_, 'py> for Timeout {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let seconds = match object.getattr_opt("total_seconds")? {
            Some(total_seconds) => total_seconds.call0()?,
            None => object.to_owned(),
        };
        let seconds: f64 = seconds
            .extract()
            .map_err(|_| PyTypeError::new_err("a timeout is a number of seconds, a datetime.timedelta, or None"))?;
        if seconds.is_nan() || seconds < 0.0 {
            return Err(PyValueError::new_err(format!("a timeout cannot be {seconds} seconds")));
        }
        Ok(Self(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)))
    }
}
