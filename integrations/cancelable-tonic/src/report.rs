//! `Report`: what the far end says of a cancel, beyond a code and a text.

use std::fmt::{self, Write};
use std::time::Duration;

use cancelable::{CancelReason, Cancelled};
use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::Status;
use tonic::metadata::{BinaryMetadataValue, MetadataValue};

/// Where it travels: in the metadata of a status, as bytes.
pub(crate) const HEADER: &str = "cancelable-report-bin";

/// Nobody says more, in bytes. (A peer takes some 16 kB of headers; what is longer is not read.)
const MOST: usize = 2_048;

/// So much of a text is told.
const TEXT: usize = 320;

/// A cancel at the far end, as that told of it: which line asked for it, which noticed, and in which scope. For the log, as it is
/// text from outside: control characters are replaced, and what is long is cut.
///
/// Its text, by `{}`, is one line.
///
/// Far ends say it if their [`ServerLayer::reports`](crate::ServerLayer::reports) is on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    kind: String,
    reason: String,
    requested_at: String,
    noticed_at: String,
    point: String,
    function: Option<String>,
    scope_path: String,
    latency: Duration,
}

impl Report {
    /// The reason's kind, by name: `Timeout`, `Dropped`, `Shutdown` and what else there is of
    /// [`ReasonKind`](cancelable::ReasonKind) at the far end.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The reason, as text.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The line that asked for the cancel; for a timeout, the one that set it.
    #[must_use]
    pub fn requested_at(&self) -> &str {
        &self.requested_at
    }

    /// The line of the check point that noticed.
    #[must_use]
    pub fn noticed_at(&self) -> &str {
        &self.noticed_at
    }

    /// What kind of [`CheckPoint`](cancelable::CheckPoint) that is, by name.
    #[must_use]
    pub fn point(&self) -> &str {
        &self.point
    }

    /// The annotated function of that line.
    #[must_use]
    pub fn function(&self) -> Option<&str> {
        self.function.as_deref()
    }

    /// The named scopes round it, the outermost first: `primes.Primes/Count > sieve`.
    #[must_use]
    pub fn scope_path(&self) -> &str {
        &self.scope_path
    }

    /// From asked to noticed.
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.latency
    }

    pub(crate) fn of(cancelled: &Cancelled) -> Self {
        Self {
            kind: format!("{:?}", cancelled.kind()),
            reason: one_line(cancelled.reason().to_string()),
            requested_at: one_line(cancelled.reason().location().to_string()),
            noticed_at: one_line(cancelled.observed_at().to_string()),
            point: format!("{:?}", cancelled.point()),
            function: cancelled.function().map(|function| one_line(function.to_owned())),
            scope_path: one_line(cancelled.scope_path().to_string()),
            latency: cancelled.latency(),
        }
    }

    /// A line for each, so that either end may say more one day.
    fn encode(&self) -> String {
        let mut text = String::new();
        let latency = self.latency.as_micros().to_string();
        let lines = [
            ("kind", Some(&self.kind)),
            ("point", Some(&self.point)),
            ("latency_us", Some(&latency)),
            ("noticed_at", Some(&self.noticed_at)),
            ("requested_at", Some(&self.requested_at)),
            ("scope", Some(&self.scope_path)),
            ("function", self.function.as_ref()),
            ("reason", Some(&self.reason)),
        ];
        for (key, value) in lines {
            if let Some(value) = value {
                // (It cannot fail.)
                let _ = writeln!(text, "{key} {value}");
            }
        }
        text
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MOST {
            return None;
        }
        let text = String::from_utf8_lossy(bytes);
        let mut report = Self::default();
        for line in text.split('\n') {
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            let text = one_line(value.to_owned());
            match key {
                "kind" => report.kind = text,
                "point" => report.point = text,
                "latency_us" => report.latency = Duration::from_micros(value.parse().unwrap_or(0)),
                "noticed_at" => report.noticed_at = text,
                "requested_at" => report.requested_at = text,
                "scope" => report.scope_path = text,
                "function" => report.function = Some(text),
                "reason" => report.reason = text,
                _ => {}
            }
        }
        (!report.kind.is_empty()).then_some(report)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, asked for at {}, noticed", self.reason, self.requested_at)?;
        if let Some(function) = &self.function {
            write!(f, " in {function}")?;
        }
        write!(f, " at {} after {:?}", self.noticed_at, self.latency)?;
        if !self.scope_path.is_empty() {
            write!(f, " ({})", self.scope_path)?;
        }
        Ok(())
    }
}

/// What the far end says of the cancel that this status tells of; `None` if it says nothing.
///
/// ```no_run
/// # use tonic::Status;
/// # fn show(status: Status) {
/// if let Some(report) = cancelable_tonic::report(&status) {
///     eprintln!("{report}");
/// }
/// // timed out after 20ms (scope "primes.Primes/Count"), asked for at src/backend.rs:12:17, noticed in backend::count at
/// // src/backend.rs:31:9 after 41µs (primes.Primes/Count > sieve)
/// # }
/// ```
#[must_use]
pub fn report(status: &Status) -> Option<Report> {
    Report::decode(&status.metadata().get_bin(HEADER)?.to_bytes().ok()?)
}

/// Puts it into the head or the trailers of an answer, unless there is one: that is of a service further down, where it began.
pub(crate) fn put(cancelled: &Cancelled, headers: &mut HeaderMap) {
    let name = HeaderName::from_static(HEADER);
    if headers.contains_key(&name) {
        return;
    }
    let value: BinaryMetadataValue = MetadataValue::from_bytes(Report::of(cancelled).encode().as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(value.as_encoded_bytes()) {
        headers.insert(name, value);
    }
}

/// Text that may have come from outside, as `cancelable` shows it: one line, which does nothing to a terminal; and not long.
fn one_line(text: String) -> String {
    let mut text = match text.is_empty() {
        true => text,
        false => CancelReason::manual().with_message(text).to_string(),
    };
    if text.len() > TEXT {
        let end = (0..=TEXT - '…'.len_utf8())
            .rev()
            .find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use cancelable::{CancellationToken, Scope};
    use proptest::prelude::*;

    fn noticed(name: String, why: String) -> Cancelled {
        let scope = Scope::new().name(name);
        let cancelled = scope.run_sync_with(|token: &CancellationToken| {
            token.cancel_with(why);
            cancelable::check()
        });
        cancelled.unwrap_err()
    }

    fn travelled(cancelled: &Cancelled) -> Option<Report> {
        let mut headers = HeaderMap::new();
        put(cancelled, &mut headers);
        headers.insert("grpc-status", HeaderValue::from_static("1"));
        report(&Status::from_header_map(&headers)?)
    }

    #[test]
    fn what_is_told_is_read() {
        let cancelled = noticed("outer".into(), "enough".into());
        let report = travelled(&cancelled).unwrap();
        assert_eq!((report.kind(), report.point()), ("Manual", "Check"));
        assert_eq!(report.reason(), "enough (scope \"outer\")");
        assert_eq!(report.scope_path(), "outer");
        assert_eq!(report.noticed_at(), cancelled.observed_at().to_string());
        assert_eq!(report.requested_at(), cancelled.reason().location().to_string());
        assert_eq!(report.latency().as_micros(), cancelled.latency().as_micros());
        let text = report.to_string();
        assert!(
            text.starts_with("enough (scope \"outer\"), asked for at ") && text.ends_with(" (outer)"),
            "{text}"
        );
    }

    #[test]
    fn what_is_long_is_cut_and_what_breaks_lines_is_replaced() {
        let cancelled = noticed("ä".repeat(5_000), "a\nnoticed_at elsewhere\u{1b}[31m\u{202e}".into());
        let report = travelled(&cancelled).unwrap();
        assert!(report.scope_path().len() <= TEXT && report.scope_path().ends_with('…'));
        assert!(
            report
                .reason()
                .starts_with("a\u{fffd}noticed_at elsewhere\u{fffd}[31m\u{fffd}"),
            "{report}"
        );
        assert_eq!(report.noticed_at(), cancelled.observed_at().to_string());
    }

    #[test]
    fn a_report_from_further_down_is_kept() {
        let mut headers = HeaderMap::new();
        put(&noticed("far".into(), "first".into()), &mut headers);
        put(&noticed("near".into(), "second".into()), &mut headers);
        headers.insert("grpc-status", HeaderValue::from_static("1"));
        let status = Status::from_header_map(&headers).unwrap();
        assert_eq!(report(&status).unwrap().scope_path(), "far");
    }

    #[test]
    fn what_is_too_long_or_none_of_ours_is_no_report() {
        assert_eq!(Report::decode(b""), None);
        assert_eq!(Report::decode(b"something else"), None);
        assert_eq!(
            Report::decode(&[b"kind Manual\nreason ".as_slice(), &[b'x'; MOST]].concat()),
            None
        );
        let later = Report::decode(b"kind Weather\nmood fine\nlatency_us -1").unwrap();
        assert_eq!((later.kind(), later.latency()), ("Weather", Duration::ZERO));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn whatever_comes_is_one_line_and_short(bytes in prop::collection::vec(any::<u8>(), 0..3_000)) {
            let bytes = [b"kind Timeout\nreason ".as_slice(), &bytes].concat();
            match Report::decode(&bytes) {
                None => prop_assert!(bytes.len() > MOST || bytes.windows(5).any(|key| key == b"\nkind")),
                Some(report) => {
                    let text = report.to_string();
                    prop_assert!(!text.contains(char::is_control), "{text:?}");
                    prop_assert!(text.len() < 8 * TEXT);
                }
            }
        }

        #[test]
        fn whatever_is_told_has_room(name in "\\PC{0,600}|[a-z]{0,600}", why in "(?s).{0,600}") {
            let cancelled = noticed(name, why);
            let report = Report::of(&cancelled);
            let text = report.encode();
            prop_assert!(text.len() <= MOST, "{}", text.len());
            prop_assert_eq!(travelled(&cancelled).map(|report| report.kind), Some(report.kind));
        }
    }
}
