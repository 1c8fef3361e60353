//! A cancel as a `Status`, and back.

use std::error::Error;
use std::sync::Arc;

use cancelable::{CancelReason, Cancelled, StatusTable};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};

use crate::noticed;

/// What fails in a call: a cancel, or a [`Status`]. For the functions that a handler calls, since `?` makes it of both, and, in the
/// handler, a `Status` of it.
///
/// (`Cancelled` itself cannot become a `Status` by `?`: both belong to other crates.)
///
/// ```
/// use cancelable::{cancelable, sleep};
/// use cancelable_tonic::CallError;
/// use std::time::Duration;
/// use tonic::{Code, Response, Status};
///
/// #[cancelable]
/// async fn load(id: u64) -> Result<String, CallError> {
///     sleep(Duration::from_millis(1)).await?;                     // `Cancelled`
///     if id == 0 {
///         return Err(Status::not_found("there is no zero").into());
///     }
///     Ok(format!("number {id}"))
/// }
///
/// async fn handler(id: u64) -> Result<Response<String>, Status> {
///     Ok(Response::new(load(id).await?))
/// }
/// # futures::executor::block_on(async {
/// # assert_eq!(handler(7).await.unwrap().into_inner(), "number 7");
/// # assert_eq!(handler(0).await.unwrap_err().code(), Code::NotFound);
/// # });
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The scope was cancelled.
    #[error("{}", .0.reason())]
    Cancelled(#[from] Cancelled),
    /// What the handler, or another service, says.
    #[error(transparent)]
    Status(#[from] Status),
}

/// As [`status()`]; a `Status` is as it was.
impl From<CallError> for Status {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Cancelled(cancelled) => status(cancelled),
            CallError::Status(status) => status,
        }
    }
}

/// A cancel as a [`Status`]: the code that [`StatusTable`] has for its reason, and the reason as text, without source lines. The
/// [`Cancelled`] is its source: see [`cancelled()`].
///
/// The code is that of [`StatusTable::DEFAULT`]. A [`ServerLayer`](crate::ServerLayer) with a table of its own puts that right.
///
/// ```
/// use cancelable::CancellationToken;
/// use tonic::Code;
///
/// fn load(token: &CancellationToken) -> Result<(), tonic::Status> {
///     token.check().map_err(cancelable_tonic::status)
/// }
/// # let token = CancellationToken::new();
/// # assert!(load(&token).is_ok());
/// # token.cancel_with(cancelable::CancelReason::shutdown());
/// # assert_eq!(load(&token).unwrap_err().code(), Code::Unavailable);
/// ```
#[must_use]
pub fn status(cancelled: Cancelled) -> Status {
    noticed::note(&cancelled);
    by_table(cancelled, &StatusTable::DEFAULT)
}

/// The cancel that a [`Status`] was made of, in this process: one of [`status()`], of [`CallError`], or of a
/// [`ClientService`](crate::ClientService) whose scope was cancelled. A status that has come over the network has none; see
/// [`report`](crate::report()).
///
/// ```
/// use cancelable::CancellationToken;
///
/// let token = CancellationToken::new();
/// token.cancel_with("enough");
/// let status = cancelable_tonic::status(token.check().unwrap_err());
/// assert_eq!(cancelable_tonic::cancelled(&status).unwrap().reason().message(), Some("enough"));
/// assert!(cancelable_tonic::cancelled(&tonic::Status::internal("broken")).is_none());
/// ```
#[must_use]
pub fn cancelled(status: &Status) -> Option<&Cancelled> {
    find(status)
}

/// The error of this type that is at the bottom of that one, or is that one.
pub(crate) fn find<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

pub(crate) fn code(reason: &CancelReason, table: &StatusTable) -> Code {
    Code::from_i32(table.status(reason).grpc().into())
}

pub(crate) fn by_table(cancelled: Cancelled, table: &StatusTable) -> Status {
    let reason = cancelled.reason();
    let mut status = Status::new(code(reason, table), reason.to_string());
    if let Some(after) = table.status(reason).retry_after() {
        // What gRPC has for `Retry-After`.
        let millis = after.as_millis().min(i32::MAX as u128);
        if let Ok(millis) = MetadataValue::try_from(millis.to_string()) {
            status.metadata_mut().insert("grpc-retry-pushback-ms", millis);
        }
    }
    status.set_source(Arc::new(cancelled));
    status
}

#[cfg(test)]
mod tests {
    use super::*;
    use cancelable::{CancellationToken, ReasonKind};
    use std::time::Duration;

    fn of(reason: CancelReason) -> Cancelled {
        let token = CancellationToken::new();
        token.cancel_with(reason);
        token.check().unwrap_err()
    }

    #[test]
    fn the_code_is_the_tables() {
        let codes = [
            (CancelReason::timeout(Duration::from_millis(7)), Code::DeadlineExceeded),
            (CancelReason::shutdown(), Code::Unavailable),
            (CancelReason::manual(), Code::Cancelled),
            (CancelReason::error("broken"), Code::Internal),
        ];
        for (reason, code) in codes {
            let text = reason.to_string();
            let status = Status::from(CallError::from(of(reason)));
            assert_eq!((status.code(), status.message()), (code, text.as_str()));
        }
        let table = StatusTable::DEFAULT.grpc(ReasonKind::Timeout, 8);
        let status = by_table(of(CancelReason::timeout(Duration::from_millis(7))), &table);
        assert_eq!(status.code(), Code::ResourceExhausted);
    }

    #[test]
    fn who_is_to_come_back_is_told_when() {
        let pushback = |status: &Status| {
            Some(
                status
                    .metadata()
                    .get("grpc-retry-pushback-ms")?
                    .to_str()
                    .unwrap()
                    .to_owned(),
            )
        };
        assert_eq!(pushback(&status(of(CancelReason::shutdown()))).as_deref(), Some("1000"));
        assert_eq!(pushback(&status(of(CancelReason::manual()))), None);
    }

    #[test]
    fn a_status_that_is_passed_on_keeps_what_it_was_made_of() {
        let passed_on = CallError::from(status(of(CancelReason::manual())));
        assert_eq!(cancelled(&passed_on.into()).unwrap().kind(), ReasonKind::Manual);
    }
}
