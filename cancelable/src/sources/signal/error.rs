//! Why a signal cannot be listened for.

use std::io;
use std::sync::Arc;

/// A signal cannot be listened for.
///
/// ```
/// use cancelable::signal;
///
/// # #[cfg(unix)] {
/// let error = signal::unix([signal::SIGTERM, 1234]).unwrap_err();
/// assert_eq!(error.signal_number(), Some(1234));
/// assert_eq!(error.to_string(), "signal 1234 is unknown, or has no default action that could be brought back");
/// # }
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct SignalError(Problem);

#[derive(Clone, Debug, thiserror::Error)]
#[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has signals to choose from"))]
enum Problem {
    #[error("no signal was named")]
    NoneNamed,
    #[error("{name} cannot be handled by a process")]
    Forbidden { number: i32, name: &'static str },
    #[error("{name} tells of a fault of the program itself, from which there is no way back")]
    Fault { number: i32, name: &'static str },
    #[error("signal {number} is unknown, or has no default action that could be brought back")]
    Unknown { number: i32 },
    #[error("signal {number} cannot be listened for: {error}")]
    System {
        number: i32,
        #[source]
        error: Arc<io::Error>,
    },
    #[error(
        "the handler for {name} was replaced by somebody else after it was installed; install the other one before the first \
         `signal::ctrl_c()` or `signal::unix(…)`"
    )]
    Replaced { number: i32, name: &'static str },
}

#[cfg_attr(not(unix), allow(dead_code, reason = "only Unix has signals to choose from"))]
impl SignalError {
    pub(super) fn none_named() -> Self {
        Self(Problem::NoneNamed)
    }

    pub(super) fn forbidden(number: i32, name: &'static str) -> Self {
        Self(Problem::Forbidden { number, name })
    }

    pub(super) fn fault(number: i32, name: &'static str) -> Self {
        Self(Problem::Fault { number, name })
    }

    pub(super) fn unknown(number: i32) -> Self {
        Self(Problem::Unknown { number })
    }

    pub(super) fn system(number: i32, error: io::Error) -> Self {
        let error = Arc::new(error);
        Self(Problem::System { number, error })
    }

    #[cfg_attr(not(unix), allow(dead_code, reason = "only Unix can be asked"))]
    pub(super) fn replaced(number: i32, name: &'static str) -> Self {
        Self(Problem::Replaced { number, name })
    }

    /// Which of the signals it was; `None` if none was named.
    #[must_use]
    pub fn signal_number(&self) -> Option<i32> {
        match self.0 {
            Problem::NoneNamed => None,
            Problem::Forbidden { number, .. }
            | Problem::Fault { number, .. }
            | Problem::Unknown { number }
            | Problem::System { number, .. }
            | Problem::Replaced { number, .. } => Some(number),
        }
    }
}
