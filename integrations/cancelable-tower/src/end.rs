//! `RequestEnd`: what there is to say of a request when its scope has ended. A leaf.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use cancelable::{CancelReason, Cancelled};
use http::{HeaderMap, HeaderName, Method, Response, StatusCode};

/// The end of a request's scope, which is that of the response's body: a line for the access log. For [`CancelLayer::on_end`].
///
/// Its text, by `{}`, is `key=value` pairs under the names of the methods, on one line.
///
/// [`CancelLayer::on_end`]: crate::CancelLayer::on_end
#[derive(Clone, Debug)]
pub struct RequestEnd {
    pub(crate) name: Arc<str>,
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) status: Option<StatusCode>,
    pub(crate) grpc_status: Option<u8>,
    pub(crate) outcome: Outcome,
    pub(crate) reason: Option<CancelReason>,
    pub(crate) cancelled: Option<Cancelled>,
    pub(crate) latency: Duration,
    pub(crate) has_client_left: bool,
}

/// How a request has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The service answered, and the body came to its end.
    Completed,
    /// The scope was cancelled, and that was the end of it: the answer says so, the body was cut, or nobody was there any more.
    Cancelled,
    /// It was refused, for a header that says no time limit.
    Refused,
    /// The service, or the response's body, returned an error.
    Failed,
    /// The service, or the response's body, panicked.
    Panicked,
}

impl Outcome {
    /// In lower case, for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl RequestEnd {
    pub(crate) fn refused<B>(name: Arc<str>, method: Method, path: String, response: &Response<B>) -> Self {
        Self {
            name,
            method,
            path,
            status: Some(response.status()),
            grpc_status: grpc_status(response.headers()),
            outcome: Outcome::Refused,
            reason: None,
            cancelled: None,
            latency: Duration::ZERO,
            has_client_left: false,
        }
    }

    /// The scope's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The request's method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The request's path, without its query.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The status of the answer, also of one that came too late for its client; `None` if there was none.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The `grpc-status` of the answer, from its head or its trailers. (Its HTTP status is 200, whatever happened.)
    #[must_use]
    pub fn grpc_status(&self) -> Option<u8> {
        self.grpc_status
    }

    /// How it ended.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Why the scope was cancelled. There may be one though the request has been completed: the handler was done first, or ended a
    /// stream in good order.
    #[must_use]
    pub fn reason(&self) -> Option<&CancelReason> {
        self.reason.as_ref()
    }

    /// The error of the check point that noticed: the scope's own, or what a [`CancelledResponse`](crate::CancelledResponse) was
    /// made of.
    #[must_use]
    pub fn cancelled(&self) -> Option<&Cancelled> {
        self.cancelled.as_ref()
    }

    /// The line that asked for the cancel; for a timeout, the one that set it; for a client that left, that of
    /// [`CancelLayer::new`](crate::CancelLayer::new).
    #[must_use]
    pub fn requested_at(&self) -> Option<&'static Location<'static>> {
        self.reason().map(CancelReason::location)
    }

    /// The line of the check point that noticed, as far as that is known: not for a handler that was dropped, nor for one that made
    /// an answer of its own of the error.
    #[must_use]
    pub fn noticed_at(&self) -> Option<&'static Location<'static>> {
        self.cancelled().map(Cancelled::observed_at)
    }

    /// From the request's beginning to the end of its scope.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.latency
    }

    /// Did the client leave before it had all?
    #[must_use]
    pub fn has_client_left(&self) -> bool {
        self.has_client_left
    }
}

impl fmt::Display for RequestEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.latency.as_secs_f64() * 1e3;
        write!(f, "method={} path={:?}", self.method, self.path)?;
        if let Some(status) = self.status {
            write!(f, " status={}", status.as_u16())?;
        }
        if let Some(status) = self.grpc_status {
            write!(f, " grpc_status={status}")?;
        }
        write!(f, " outcome={} latency_ms={millis:.3}", self.outcome)?;
        if let Some(reason) = &self.reason {
            write!(f, " reason={:?} requested_at={}", reason.to_string(), reason.location())?;
        }
        if let Some(noticed_at) = self.noticed_at() {
            write!(f, " noticed_at={noticed_at}")?;
        }
        Ok(())
    }
}

/// What the head or the trailers of an answer say, if it is one of gRPC.
pub(crate) fn grpc_status(headers: &HeaderMap) -> Option<u8> {
    static NAME: HeaderName = HeaderName::from_static("grpc-status");
    headers.get(&NAME)?.to_str().ok()?.parse().ok()
}
