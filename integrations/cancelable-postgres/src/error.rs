//! What can go wrong. A leaf.

use cancelable::Cancelled;

/// Why a query has no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The scope round it was cancelled. Unless the query had not begun, the server has ended it, and its connection is fit for
    /// the next one, or closed.
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    /// What tokio-postgres says.
    #[error(transparent)]
    Postgres(#[from] tokio_postgres::Error),
    /// The connection is no longer used: an earlier query on it could not be cancelled in time.
    #[error("the connection is closed: an earlier query on it could not be cancelled")]
    Closed,
}

impl Error {
    /// The cancel, if it was one.
    #[must_use]
    pub fn cancelled(&self) -> Option<&Cancelled> {
        match self {
            Self::Cancelled(cancelled) => Some(cancelled),
            _ => None,
        }
    }
}

/// Why cancel requests could not be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadConfig {
    /// Neither `host` nor `hostaddr` is given.
    #[error("cancel requests have nowhere to go: both host and hostaddr are missing")]
    NoHost,
    /// `host`, `hostaddr` and `port` differ in number.
    #[error("{hosts} hosts, {addresses} hostaddrs and {ports} ports do not fit together")]
    Unequal {
        /// How many `host`s.
        hosts: usize,
        /// How many `hostaddr`s.
        addresses: usize,
        /// How many `port`s.
        ports: usize,
    },
    /// `sslmode=require`, and `NoTls` given.
    #[error("cancel requests cannot be sent: the connection requires TLS (sslmode=require), and NoTls cannot make one")]
    NoTls,
}

pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;
