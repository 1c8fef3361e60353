//! What a client gets in place of an answer: `CancelledResponse`.

use std::borrow::Cow;

use bytes::Bytes;
use cancelable::{CancelStatus, Cancelled, StatusTable};
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode, response};

/// A cancel as an HTTP response: the status that [`StatusTable`] has for its reason, `Retry-After` where that makes sense, and the
/// reason as text, without source lines.
///
/// It is an error type for handlers, since `?` makes it of a [`Cancelled`]. (`Cancelled` itself cannot be one of axum's responses:
/// both belong to other crates.)
///
/// ```
/// use cancelable::{cancelable, sleep};
/// use cancelable_tower::CancelledResponse;
/// use std::time::Duration;
///
/// #[cancelable]
/// async fn handler() -> Result<String, CancelledResponse> {
///     sleep(Duration::from_millis(1)).await?;
///     Ok("slept well".into())
/// }
/// # assert_eq!(futures::executor::block_on(handler()).unwrap(), "slept well");
/// ```
///
/// The response has the `Cancelled` among its extensions, and there the [`CancelLayer`](crate::CancelLayer) finds the line that
/// noticed, for [`RequestEnd`](crate::RequestEnd). An error type of one's own may put it there as well:
/// `response.extensions_mut().insert(cancelled)`.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", .0.reason())]
pub struct CancelledResponse(pub Cancelled);

impl From<Cancelled> for CancelledResponse {
    fn from(cancelled: Cancelled) -> Self {
        Self(cancelled)
    }
}

impl CancelledResponse {
    /// The response, by this table, with the text as the body.
    #[must_use]
    pub fn into_response_by(self, table: &StatusTable) -> Response<Bytes> {
        let status = table.status(self.0.reason());
        let mut response = text(code(status), self.to_string());
        retry_after(response.headers_mut(), status);
        response.extensions_mut().insert(ByTable);
        response.extensions_mut().insert(self.0);
        response
    }
}

/// As [`into_response_by`](CancelledResponse::into_response_by), by the [default table](StatusTable::DEFAULT).
impl From<CancelledResponse> for Response<Bytes> {
    fn from(cancelled: CancelledResponse) -> Self {
        cancelled.into_response_by(&StatusTable::DEFAULT)
    }
}

/// Among a response's extensions: its status is that of a table.
#[derive(Clone, Copy)]
struct ByTable;

/// A handler does not know the layer's table: what it has answered with by the default one is put right.
pub(crate) fn restyle(parts: &mut response::Parts, table: &StatusTable) {
    if parts.extensions.remove::<ByTable>().is_some()
        && let Some(cancelled) = parts.extensions.get::<Cancelled>()
    {
        let status = table.status(cancelled.reason());
        parts.status = code(status);
        retry_after(&mut parts.headers, status);
    }
}

fn code(status: CancelStatus) -> StatusCode {
    // (A table may have any number.)
    StatusCode::from_u16(status.http()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

fn retry_after(headers: &mut HeaderMap, status: CancelStatus) {
    headers.remove(RETRY_AFTER);
    if let Some(after) = status.retry_after() {
        let seconds = after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0));
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

/// To who has come back for a request that has been dropped.
#[cfg(feature = "tokio")]
pub(crate) fn shutting_down() -> Response<Bytes> {
    text(StatusCode::SERVICE_UNAVAILABLE, "shutting down")
}

/// A line of text.
pub(crate) fn text(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Response<Bytes> {
    let mut text = text.into().into_owned();
    text.push('\n');
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
