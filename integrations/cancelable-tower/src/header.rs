//! Time limits that come with a request, in its headers. A leaf.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use cancelable::parse_duration;
use http::{HeaderMap, HeaderName};

/// What reads the text of a header.
type Parse = dyn Fn(&str) -> Result<Duration, Cow<'static, str>> + Send + Sync;

/// A header that says how long a request may take, and how to read it. For [`CancelLayer::timeout_headers`].
///
/// ```
/// use cancelable_tower::TimeoutHeader;
/// use http::{HeaderMap, HeaderValue};
/// use std::time::Duration;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("grpc-timeout", HeaderValue::from_static("1500m"));
/// let read = TimeoutHeader::grpc_timeout().read(&headers).unwrap();
/// assert_eq!(read.unwrap(), Duration::from_millis(1500));
///
/// headers.insert("grpc-timeout", HeaderValue::from_static("soon"));
/// let error = TimeoutHeader::grpc_timeout().read(&headers).unwrap().unwrap_err();
/// assert!(error.to_string().starts_with("the header `grpc-timeout`: "));
/// ```
///
/// [`CancelLayer::timeout_headers`]: crate::CancelLayer::timeout_headers
#[derive(Clone)]
pub struct TimeoutHeader {
    name: HeaderName,
    parse: Arc<Parse>,
}

impl TimeoutHeader {
    /// A header of this name. `parse` is given its text; the error says what is wrong, and is shown to the client.
    ///
    /// ```
    /// use cancelable_tower::TimeoutHeader;
    /// use std::time::Duration;
    ///
    /// let header = TimeoutHeader::new("x-seconds-left".parse().unwrap(), |text| {
    ///     text.parse().map(Duration::from_secs).map_err(|_| "write whole seconds".into())
    /// });
    /// # assert!(header.read(&http::HeaderMap::new()).is_none());
    /// ```
    pub fn new(
        name: HeaderName,
        parse: impl Fn(&str) -> Result<Duration, Cow<'static, str>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            parse: Arc::new(parse),
        }
    }

    /// gRPC's `grpc-timeout`: at most eight digits and a unit, `H`, `M`, `S`, `m` (milliseconds), `u` or `n`.
    #[must_use]
    pub fn grpc_timeout() -> Self {
        Self::new(HeaderName::from_static("grpc-timeout"), grpc)
    }

    /// `x-request-timeout: 300ms`, as [`cancelable::parse_duration`] reads it: a whole number and `ms`, `s`, `m` or `h`.
    #[must_use]
    pub fn x_request_timeout() -> Self {
        Self::new(HeaderName::from_static("x-request-timeout"), |text| {
            parse_duration(text).map_err(|error| error.to_string().into())
        })
    }

    /// Envoy's `x-envoy-expected-rq-timeout-ms`: how long the proxy waits for an answer, in whole milliseconds.
    #[must_use]
    pub fn envoy_expected_timeout() -> Self {
        Self::new(HeaderName::from_static("x-envoy-expected-rq-timeout-ms"), |text| {
            digits(text).map(Duration::from_millis)
        })
    }

    /// The same header, of whose time limit this is made: less than it says, say, so that the answer is there before the client's own
    /// clock strikes.
    ///
    /// ```
    /// use cancelable_tower::TimeoutHeader;
    /// use std::time::Duration;
    ///
    /// let header = TimeoutHeader::x_request_timeout().map(|limit| limit.saturating_sub(Duration::from_millis(5)));
    /// # let headers = http::HeaderMap::from_iter([("x-request-timeout".parse().unwrap(), "1s".parse().unwrap())]);
    /// # assert_eq!(header.read(&headers).unwrap().unwrap(), Duration::from_millis(995));
    /// ```
    #[must_use]
    pub fn map(self, limit: impl Fn(Duration) -> Duration + Send + Sync + 'static) -> Self {
        let parse = self.parse;
        Self::new(self.name, move |text| parse(text).map(&limit))
    }

    /// What it says in these headers; `None` if it is not among them.
    ///
    /// # Errors
    ///
    /// [`BadTimeout`], if it is there twice, is no text, or says no duration.
    pub fn read(&self, headers: &HeaderMap) -> Option<Result<Duration, BadTimeout>> {
        let mut values = headers.get_all(&self.name).iter();
        let value = values.next()?;
        let read = match (value.to_str(), values.next()) {
            (Ok(text), None) => (self.parse)(text.trim()),
            (Ok(_), Some(_)) => Err("it is there more than once".into()),
            (Err(_), _) => Err("it is no visible ASCII".into()),
        };
        Some(read.map_err(|why| BadTimeout {
            header: self.name.clone(),
            why,
        }))
    }
}

impl fmt::Debug for TimeoutHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TimeoutHeader").field(&self.name).finish()
    }
}

/// Why a header's time limit cannot be read. Its text names the header, and does not repeat what the client has sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the header `{header}`: {why}")]
pub struct BadTimeout {
    header: HeaderName,
    why: Cow<'static, str>,
}

impl BadTimeout {
    /// The header it is about.
    #[must_use]
    pub fn header(&self) -> &HeaderName {
        &self.header
    }
}

/// What becomes of a request with a header that cannot be read. For [`CancelLayer::bad_header`](crate::CancelLayer::bad_header).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BadHeader {
    /// It is answered with 400, which says what is wrong, and is not run.
    #[default]
    Refuse,
    /// It runs as if the header were not there.
    Ignore,
}

fn grpc(text: &str) -> Result<Duration, Cow<'static, str>> {
    let Some((unit_at, unit)) = text.char_indices().next_back() else {
        return Err("it is empty".into());
    };
    let number = &text[..unit_at];
    if number.len() > 8 {
        return Err("it has more than eight digits".into());
    }
    let number = digits(number)?;
    match unit {
        'H' => Ok(Duration::from_secs(number * 60 * 60)),
        'M' => Ok(Duration::from_secs(number * 60)),
        'S' => Ok(Duration::from_secs(number)),
        'm' => Ok(Duration::from_millis(number)),
        'u' => Ok(Duration::from_micros(number)),
        'n' => Ok(Duration::from_nanos(number)),
        _ => Err("its unit is none of `H`, `M`, `S`, `m`, `u` and `n`".into()),
    }
}

/// Digits alone: `parse` would take a sign as well.
fn digits(text: &str) -> Result<u64, Cow<'static, str>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("it is no whole number".into());
    }
    text.parse().map_err(|_| "the number is too large".into())
}
