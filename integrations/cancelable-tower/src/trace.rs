//! `trace`: each request's end as an event of tracing. Feature `tracing`.

use cancelable::ReasonKind;

use crate::end::{Outcome, RequestEnd};

/// An event of `tracing` for a request's end, with the target `cancelable_tower`: `layer.on_end(trace)`.
///
/// Fields: `method`, `path`, `status`, `grpc_status`, `outcome`, `latency_ms`, `reason`, `requested_at`, `noticed_at`. What was asked for is INFO;
/// a timeout, a failure and a panic are WARN.
///
/// ```
/// let layer = cancelable_tower::CancelLayer::new().on_end(cancelable_tower::trace);
/// # let _ = layer;
/// ```
pub fn trace(end: &RequestEnd) {
    macro_rules! event {
        ($level:ident) => {
            tracing::event!(
                target: "cancelable_tower",
                tracing::Level::$level,
                method = %end.method(),
                path = end.path(),
                status = end.status().map(|status| status.as_u16()),
                grpc_status = end.grpc_status(),
                outcome = end.outcome().as_str(),
                latency_ms = end.latency().as_secs_f64() * 1e3,
                reason = end.reason().map(tracing::field::display),
                requested_at = end.requested_at().map(tracing::field::display),
                noticed_at = end.noticed_at().map(tracing::field::display),
                "{}",
                end.name(),
            )
        };
    }
    let is_timeout = end.reason().is_some_and(|reason| reason.kind() == ReasonKind::Timeout);
    match end.outcome() {
        Outcome::Failed | Outcome::Panicked => event!(WARN),
        Outcome::Cancelled if is_timeout => event!(WARN),
        _ => event!(INFO),
    }
}
