//! What a handler answers: the code and the report of a cancel are the layer's.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cancelable::{Cancelled, StatusTable};
use http::{HeaderMap, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use crate::{noticed, report, status};

/// How a cancel is told of.
#[derive(Clone, Debug)]
pub(crate) struct Style {
    pub(crate) table: StatusTable,
    pub(crate) reports: bool,
}

impl Style {
    /// As the head of an answer that has nothing else.
    pub(crate) fn head<B: Default>(&self, cancelled: &Cancelled) -> Response<B> {
        let mut response = status::by_table(cancelled.clone(), &self.table).into_http();
        if self.reports {
            report::put(cancelled, response.headers_mut());
        }
        response
    }

    /// As the end of a stream.
    pub(crate) fn trailers(&self, cancelled: &Cancelled) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        // (The text is percent-encoded, so it cannot fail.)
        let _ = status::by_table(cancelled.clone(), &self.table).add_header(&mut trailers);
        if self.reports {
            report::put(cancelled, &mut trailers);
        }
        trailers
    }

    /// The status in these headers is one that the handler has made, of this, if it is known.
    fn restyle(&self, headers: &mut HeaderMap, cancelled: Option<&Cancelled>) {
        if !self.reports {
            // It may be that of a service further down, whose answer is passed on.
            headers.remove(report::HEADER);
        }
        let Some(cancelled) = cancelled else {
            return;
        };
        let code = |table| (status::code(cancelled.reason(), table) as i32).into();
        if headers.get(Status::GRPC_STATUS) == Some(&code(&StatusTable::DEFAULT)) {
            headers.insert(Status::GRPC_STATUS, code(&self.table));
            if self.reports {
                report::put(cancelled, headers);
            }
        }
    }

    /// An answer of the handler's.
    pub(crate) fn answer<B>(self, response: Response<B>) -> Response<ResponseBody<B>> {
        let (mut parts, inner) = response.into_parts();
        // (It is there if the answer is nothing but a status.)
        let cancelled = parts.extensions.get().and_then(status::cancelled).cloned();
        self.restyle(&mut parts.headers, cancelled.as_ref());
        if let Some(cancelled) = cancelled {
            // For the access log.
            parts.extensions.insert(cancelled);
        }
        Response::from_parts(parts, ResponseBody { inner, style: self })
    }
}

pin_project! {
    /// The body of a handler's answer.
    pub(crate) struct ResponseBody<B> {
        #[pin]
        inner: B,
        style: Style,
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let (frame, cancelled) = noticed::listen(|| this.inner.poll_frame(cx));
        let mut frame = ready!(frame);
        if let Some(Ok(frame)) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            this.style.restyle(trailers, cancelled.as_ref());
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
