//! Why a request has no proper answer. A leaf.

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

impl Error {
    /// Is it worth a try later?
    pub(crate) fn is_unavailable(&self) -> bool {
        match self {
            Self::Pool(_) | Self::Postgres(cancelable_postgres::Error::Closed) => true,
            Self::Postgres(cancelable_postgres::Error::Postgres(error)) => error.is_closed(),
            Self::Backend(status) => status.code() == Code::Unavailable,
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
