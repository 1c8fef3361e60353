//! Why a request has no proper answer. A leaf.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use cancelable::Cancelled;
use cancelable_tower::CancelledResponse;
use deadpool_postgres::PoolError;
use tokio::task::JoinError;

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

impl Error {
    fn status(&self) -> StatusCode {
        match self {
            Self::Pool(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Postgres(cancelable_postgres::Error::Closed) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Postgres(cancelable_postgres::Error::Postgres(error)) if error.is_closed() => {
                StatusCode::SERVICE_UNAVAILABLE
            }
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
