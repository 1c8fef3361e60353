//! Errors of what is under a client, as a `Status`.

use std::error::Error as _;
use std::sync::Arc;

use cancelable::Cancelled;
use tonic::{Code, Status, TimeoutExpired};

use crate::error::BoxError;
use crate::status::find;

/// What became of a call for which there is no answer.
///
/// Tonic has CANCELLED for the timer of its channel, and UNKNOWN for a connection that breaks. Neither is what it is, nor what the
/// specification says.
pub(crate) fn status(error: BoxError) -> Status {
    // (The channel's bodies have done that already.)
    let status = Status::from_error(error);
    let code = match status.source() {
        // Somebody says so: the server, or a layer.
        None => return status,
        Some(source) if find::<Status>(source).is_some() || find::<Cancelled>(source).is_some() => return status,
        Some(source) if find::<TimeoutExpired>(source).is_some() => Code::DeadlineExceeded,
        Some(_) if status.code() == Code::Unknown => Code::Unavailable,
        Some(_) => return status,
    };
    let message = match code {
        Code::DeadlineExceeded => "no answer in the time that the server was given",
        _ => status.message(),
    };
    let mut told = Status::new(code, message);
    told.set_source(Arc::new(status));
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    fn with_source(mut status: Status, source: impl std::error::Error + Send + Sync + 'static) -> Status {
        status.set_source(Arc::new(source));
        status
    }

    #[test]
    fn what_somebody_says_stays() {
        let said = [
            Status::unknown("nobody knows"),
            Status::cancelled("by the server"),
            with_source(Status::unknown("passed on"), Status::not_found("further down")),
            with_source(Status::internal("broken"), io::Error::other("a disk")),
        ];
        for said in said {
            let (code, message) = (said.code(), said.message().to_owned());
            let status = status(said.into());
            assert_eq!((status.code(), status.message()), (code, message.as_str()));
        }
    }

    #[test]
    fn what_nobody_says_is_the_transports() {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let cases: [(BoxError, Code); 4] = [
            (reset().into(), Code::Unavailable),
            (
                with_source(Status::unknown("h2 protocol error"), reset()).into(),
                Code::Unavailable,
            ),
            (TimeoutExpired(()).into(), Code::DeadlineExceeded),
            (
                with_source(Status::cancelled("late"), TimeoutExpired(())).into(),
                Code::DeadlineExceeded,
            ),
        ];
        for (error, code) in cases {
            let status = status(error);
            assert_eq!(status.code(), code, "{status:?}");
            assert!(status.source().is_some());
        }
    }
}
