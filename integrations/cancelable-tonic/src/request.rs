//! What a client sends: a stream that it breaks off is not taken for a whole one.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::{Code, Status};

use crate::error::BoxError;

pin_project! {
    /// The body of a request.
    ///
    /// Tonic's reader takes a stream that its client has reset for one that is at its end, and hyper polls the handler once more before
    /// it looks whether the client is there: half an upload would be committed. So here that is an error of another code.
    pub(crate) struct RequestBody<B> {
        #[pin]
        inner: B,
    }
}

impl<B> RequestBody<B> {
    pub(crate) fn new(inner: B) -> Self {
        Self { inner }
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = ready!(self.project().inner.poll_frame(cx));
        Poll::Ready(frame.map(|frame| {
            frame.map_err(|error| {
                let status = Status::from_error(error.into());
                if status.code() != Code::Cancelled {
                    return status;
                }
                let mut broken_off = Status::aborted("the client has left before the end of its stream");
                broken_off.set_source(std::sync::Arc::new(status));
                broken_off
            })
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
