//! What becomes of attempts that fail. A leaf.

use std::fmt::{self, Display};
use std::time::Duration;

use cancelable::Cancelled;

/// Why a retry has ended without success, with the last error: the cancel itself would not say what went wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetryError<E> {
    /// The error is none to retry after, or the backoff is at its end.
    #[error("{last} (attempt {attempts})")]
    Failed {
        /// Of the last attempt.
        last: E,
        /// How many there were.
        attempts: usize,
    },
    /// The scope would end before the next attempt, so there was no sense in waiting for that.
    #[error("{last} (attempt {attempts}; the next one in {pause:?} would be too late, for {remaining:?} are left)")]
    OutOfTime {
        /// Of the last attempt.
        last: E,
        /// How many there were.
        attempts: usize,
        /// Before the next one.
        pause: Duration,
        /// The scope's time.
        remaining: Duration,
    },
    /// The scope was cancelled.
    #[error("{cancelled}{}", After(last.as_ref(), *attempts))]
    Cancelled {
        /// The cancel.
        cancelled: Cancelled,
        /// Of the last attempt before the cancel; if there was none, what the attempt returned that it found.
        last: Option<E>,
        /// How many had begun.
        attempts: usize,
    },
}

struct After<'a, E>(Option<&'a E>, usize);

impl<E: Display> Display for After<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(last), attempts) => write!(f, " (attempt {attempts}; the last error: {last})"),
            Self(None, attempts) => write!(f, " (attempt {attempts})"),
        }
    }
}

/// So it is what a scope returns that is cancelled from outside.
impl<E> From<Cancelled> for RetryError<E> {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled {
            cancelled,
            last: None,
            attempts: 0,
        }
    }
}

impl<E> RetryError<E> {
    /// What went wrong last; `None` if the cancel came before anything did.
    pub fn last(&self) -> Option<&E> {
        match self {
            Self::Failed { last, .. } | Self::OutOfTime { last, .. } => Some(last),
            Self::Cancelled { last, .. } => last.as_ref(),
        }
    }

    /// What went wrong last, or else the cancel: for `?`, by `map_err(RetryError::into_last)`.
    pub fn into_last(self) -> E
    where
        E: From<Cancelled>,
    {
        match self {
            Self::Failed { last, .. } | Self::OutOfTime { last, .. } => last,
            Self::Cancelled { last, cancelled, .. } => last.unwrap_or_else(|| cancelled.into()),
        }
    }

    /// The cancel, if it was one.
    pub fn cancelled(&self) -> Option<&Cancelled> {
        match self {
            Self::Cancelled { cancelled, .. } => Some(cancelled),
            _ => None,
        }
    }

    /// How many attempts had begun.
    pub fn attempts(&self) -> usize {
        match self {
            Self::Failed { attempts, .. } | Self::OutOfTime { attempts, .. } | Self::Cancelled { attempts, .. } => {
                *attempts
            }
        }
    }
}
