//! Why a request has no proper answer. A leaf.

use std::error::Error as _;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cancelable::Cancelled;
use cancelable_tower::CancelledResponse;
use deadpool_postgres::PoolError;
use tokio::task::JoinError;
use tonic::{Code, Status};

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Cancelled(#[from] Cancelled),
    #[error("a worker failed: {0}")]
    Worker(#[from] JoinError),
    #[error("no connection to the database: {}", told(.0))]
    Pool(#[from] PoolError),
    #[error("the database: {}", told(.0))]
    Postgres(cancelable_postgres::Error),
    #[error("the database: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("the back end: {:?}: {}", .0.code(), .0.message())]
    Backend(Box<Status>),
}

/// With its causes: of the server's errors the text is there.
pub(crate) fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

impl From<cancelable_postgres::Error> for Error {
    fn from(error: cancelable_postgres::Error) -> Self {
        match error {
            cancelable_postgres::Error::Cancelled(cancelled) => Self::Cancelled(cancelled),
            error => Self::Postgres(error),
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        Self::Backend(Box::new(status))
    }
}

/// Is it not the back end that says so? What has come over the network has no source. Without an answer there is the transport's
/// error, and its code is by how the connection was found to be gone: UNAVAILABLE, INTERNAL, CANCELLED.
fn is_gone(status: &Status) -> bool {
    status.source().is_some()
}

impl Error {
    /// Is it worth a try later?
    pub(crate) fn is_unavailable(&self) -> bool {
        match self {
            Self::Pool(_) | Self::Postgres(cancelable_postgres::Error::Closed) => true,
            Self::Postgres(cancelable_postgres::Error::Postgres(error)) => error.is_closed(),
            Self::Backend(status) => status.code() == Code::Unavailable && !is_gone(status),
            _ => false,
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            error if error.is_unavailable() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Backend(status) if status.code() == Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
            Self::Backend(_) => StatusCode::BAD_GATEWAY,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        match self {
            Self::Cancelled(cancelled) => CancelledResponse(cancelled).into_response(),
            error => (error.status(), format!("{error}\n")).into_response(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::Arc;

    #[test]
    fn a_back_end_that_is_gone_is_always_the_same() {
        let codes = [Code::Unavailable, Code::Internal, Code::Cancelled, Code::Unknown];
        for code in codes {
            let mut status = Status::new(code, "broken");
            status.set_source(Arc::new(io::Error::from(io::ErrorKind::ConnectionReset)));
            let error = Error::from(status);
            assert_eq!(error.status(), StatusCode::BAD_GATEWAY, "{code:?}");
            assert!(!error.is_unavailable());
        }
    }

    #[test]
    fn what_the_back_end_says_has_a_status_of_its_own() {
        let cases = [
            (Code::Unavailable, StatusCode::SERVICE_UNAVAILABLE),
            (Code::DeadlineExceeded, StatusCode::GATEWAY_TIMEOUT),
            (Code::Internal, StatusCode::BAD_GATEWAY),
        ];
        for (code, expected) in cases {
            assert_eq!(Error::from(Status::new(code, "said")).status(), expected);
        }
    }
}
