//! `CancelBody`: a response's body, which belongs to the request's scope.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use crate::error::BoxError;
use crate::run::Run;
use crate::running::Rest;

/// The body of a response of a [`CancelService`](crate::CancelService). The request's scope ends with it.
///
/// A body that is at hand as a whole when the service answers (of a known length, and in one frame) is taken with the answer, and the
/// scope has ended before the server writes it.
///
/// If the scope is cancelled before, the body ends with the error [`Cancelled`](cancelable::Cancelled). A server then breaks the
/// response off, so that the client does not take it for whole. (With [`CancelLayer::trailers`](crate::CancelLayer::trailers) it ends
/// with these instead.) What a handler answers to a cancel is not cut, if its length is known.
/// A stream that is to end in good order listens itself, with [`until_cancelled`](cancelable::StreamExt::until_cancelled), and may
/// send a few frames more, up to 16.
pub struct CancelBody<D: Buf + Send + 'static>(Kind<D>);

enum Kind<D: Buf + Send + 'static> {
    /// Boxed, for a body is moved a lot.
    Running(Box<Run<D>>),
    /// What is left of one that has come to its end.
    Rest(Rest<D>),
    /// In place of an answer.
    Text(Bytes),
}

impl<D: Buf + Send + 'static> CancelBody<D> {
    pub(crate) fn running(run: Run<D>) -> Self {
        Self(Kind::Running(Box::new(run)))
    }

    pub(crate) fn rest(rest: Rest<D>) -> Self {
        Self(Kind::Rest(rest))
    }

    pub(crate) fn text(text: Bytes) -> Self {
        Self(Kind::Text(text))
    }
}

/// Nothing in it is ever pinned: frames are handed out by value.
impl<D: Buf + Send + 'static> Unpin for CancelBody<D> {}

impl<D: Buf + From<Bytes> + Send + 'static> Body for CancelBody<D> {
    type Data = D;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<D>, BoxError>>> {
        match &mut self.0 {
            Kind::Running(run) => run.poll_frame(cx),
            Kind::Rest(rest) => Poll::Ready(rest.take()),
            Kind::Text(text) if text.is_empty() => Poll::Ready(None),
            Kind::Text(text) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text).into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Running(run) => run.is_end(),
            Kind::Rest(rest) => rest.is_end(),
            Kind::Text(text) => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Running(run) => run.size_hint(),
            Kind::Rest(rest) => rest.size_hint(),
            Kind::Text(text) => SizeHint::with_exact(text.len() as u64),
        }
    }
}

impl<D: Buf + Send + 'static> fmt::Debug for CancelBody<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelBody").finish_non_exhaustive()
    }
}
