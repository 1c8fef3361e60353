//! What a `CancelLayer` is told, and what it makes of a request.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cancelable::{CancelReason, CancelStatus, CancellationToken, Cancelled, Scope, StatusTable, current};
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};

use crate::answer::{CancelledResponse, text};
use crate::end::RequestEnd;
use crate::header::{BadHeader, BadTimeout, TimeoutHeader};
use crate::policy::OnDisconnect;
use crate::requests::Requests;

type Name = dyn Fn(&Parts) -> Cow<'static, str> + Send + Sync;
type Policy = dyn Fn(&Parts) -> OnDisconnect + Send + Sync;
type Respond = dyn Fn(&Cancelled, CancelStatus) -> Response<Bytes> + Send + Sync;
type Refuse = dyn Fn(&BadTimeout) -> Response<Bytes> + Send + Sync;
type Trailers = dyn Fn(&Cancelled, CancelStatus) -> HeaderMap + Send + Sync;
type Observe = dyn Fn(&RequestEnd) + Send + Sync;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) location: &'static Location<'static>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) max_timeout: Option<Duration>,
    pub(crate) headers: Vec<TimeoutHeader>,
    pub(crate) bad_header: BadHeader,
    pub(crate) grace: Option<Duration>,
    pub(crate) table: StatusTable,
    pub(crate) respond: Option<Arc<Respond>>,
    pub(crate) refuse: Option<Arc<Refuse>>,
    pub(crate) trailers: Option<Arc<Trailers>>,
    pub(crate) name: Arc<Name>,
    pub(crate) policy: Arc<Policy>,
    pub(crate) observers: Vec<Arc<Observe>>,
    pub(crate) requests: Requests,
    #[cfg(feature = "tokio")]
    pub(crate) kept: crate::kept::AllKept,
    /// Why the scope of a client that has left is cancelled.
    pub(crate) left: CancelReason,
}

impl Settings {
    #[track_caller]
    pub(crate) fn new() -> Self {
        Self {
            location: Location::caller(),
            timeout: None,
            max_timeout: None,
            headers: Vec::new(),
            bad_header: BadHeader::default(),
            grace: None,
            table: StatusTable::DEFAULT,
            respond: None,
            refuse: None,
            trailers: None,
            name: Arc::new(|parts| [parts.method.as_str(), " ", route(parts)].concat().into()),
            policy: Arc::new(|_| OnDisconnect::default()),
            observers: Vec::new(),
            requests: Requests::new(),
            #[cfg(feature = "tokio")]
            kept: crate::kept::AllKept::default(),
            left: left(),
        }
    }

    /// The time limit of a request with these headers.
    pub(crate) fn limit(&self, headers: &HeaderMap) -> Result<Option<Duration>, BadTimeout> {
        for header in &self.headers {
            match (header.read(headers), self.bad_header) {
                (Some(Ok(limit)), _) => {
                    let at_most = self.max_timeout.or(self.timeout);
                    return Ok(Some(at_most.map_or(limit, |at_most| limit.min(at_most))));
                }
                (Some(Err(bad)), BadHeader::Refuse) => return Err(bad),
                (Some(Err(_)), BadHeader::Ignore) | (None, _) => {}
            }
        }
        Ok(self.timeout)
    }

    /// The scope of a request.
    pub(crate) fn scope(&self, name: Cow<'static, str>, limit: Option<Duration>) -> Scope {
        let scope = Scope::new()
            .name(name)
            .timeout(limit)
            .grace(self.grace)
            .located_at(self.location);
        let requests = self.requests.token();
        if current() == CancellationToken::never() {
            scope.parent(requests)
        } else {
            // In a scope already, which goes for it as well.
            scope.link(requests.clone())
        }
    }

    /// What the client gets in place of an answer.
    pub(crate) fn respond(&self, cancelled: &Cancelled) -> Response<Bytes> {
        match &self.respond {
            Some(respond) => respond(cancelled, self.table.status(cancelled.reason())),
            None => CancelledResponse(cancelled.clone()).into_response_by(&self.table),
        }
    }

    /// What a client gets whose header cannot be read.
    pub(crate) fn refuse(&self, bad: &BadTimeout) -> Response<Bytes> {
        match &self.refuse {
            Some(refuse) => refuse(bad),
            None => text(StatusCode::BAD_REQUEST, bad.to_string()),
        }
    }

    /// The end of a body that is cut, if it is to have one.
    pub(crate) fn trailers(&self, cancelled: &Cancelled) -> Option<HeaderMap> {
        let trailers = self.trailers.as_ref()?;
        Some(trailers(cancelled, self.table.status(cancelled.reason())))
    }

    pub(crate) fn observe(&self, end: &RequestEnd) {
        for observer in &self.observers {
            // It may be called by a destructor. That it panicked, the panic hook has told.
            let _ = catch_unwind(AssertUnwindSafe(|| observer(end)));
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelLayer")
            .field("timeout", &self.timeout)
            .field("max_timeout", &self.max_timeout)
            .field("timeout_headers", &self.headers)
            .field("bad_header", &self.bad_header)
            .field("grace", &self.grace)
            .field("requests", &self.requests)
            .finish_non_exhaustive()
    }
}

/// The route that axum has found; without axum, the path.
fn route(parts: &Parts) -> &str {
    #[cfg(feature = "axum")]
    if let Some(route) = parts.extensions.get::<axum::extract::MatchedPath>() {
        return route.as_str();
    }
    parts.uri.path()
}

/// Kind `Dropped`, at the caller's line: what a guard gives that is dropped there.
#[track_caller]
fn left() -> CancelReason {
    let token = CancellationToken::new();
    drop(token.drop_guard_ref());
    let reason = token.reason().unwrap_or_else(CancelReason::manual);
    reason.with_message("the client has left")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn limits() -> impl Strategy<Value = Option<Duration>> {
        proptest::option::of(prop_oneof![
            Just(Duration::ZERO),
            Just(Duration::MAX),
            (0..100_000_u64).prop_map(Duration::from_millis)
        ])
    }

    proptest! {
        // More with `PROPTEST_CASES=1000000`, which comes before this.
        #![proptest_config(ProptestConfig {
            cases: 10_000,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// The cap holds whatever a header says; without one, it is the default's business.
        #[test]
        fn a_header_is_believed_up_to_the_cap(
            text in "[0-9]{1,21}(ms|s|m|h|S)?|[ -~]{0,8}",
            timeout in limits(),
            max_timeout in limits(),
            is_refused: bool,
        ) {
            let header = TimeoutHeader::x_request_timeout();
            let Ok(value) = HeaderValue::from_str(&text) else { return Ok(()) };
            let headers = HeaderMap::from_iter([("x-request-timeout".parse().unwrap(), value)]);
            let said = header.read(&headers).unwrap();
            let bad_header = if is_refused { BadHeader::Refuse } else { BadHeader::Ignore };
            let settings = Settings { timeout, max_timeout, bad_header, headers: vec![header], ..Settings::new() };
            let limit = settings.limit(&headers);
            match (said, max_timeout.or(timeout)) {
                (Ok(said), Some(cap)) => prop_assert_eq!(limit, Ok(Some(said.min(cap)))),
                (Ok(said), None) => prop_assert_eq!(limit, Ok(Some(said))),
                (Err(bad), _) if is_refused => prop_assert_eq!(limit, Err(bad)),
                (Err(_), _) => prop_assert_eq!(limit, Ok(timeout)),
            }
            prop_assert_eq!(settings.limit(&HeaderMap::new()), Ok(timeout));
        }
    }
}
