//! A call, as its caller holds it: the future of the answer, and the body.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use cancelable::{CancellationToken, Cancelled, Scope, StatusTable, WaitForCancellationFutureOwned};
use http::Response;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tonic::Status;

use crate::error::BoxError;
use crate::{status, transport};

/// So many frames more may be taken of an answer that is at hand when the scope is cancelled.
const LAST_FRAMES: usize = 16;

/// A call that is under way in a scope.
pub(crate) struct Call {
    /// That of the scope.
    pub(crate) token: CancellationToken,
    pub(crate) name: String,
    pub(crate) location: &'static Location<'static>,
    pub(crate) table: StatusTable,
}

impl Call {
    /// The scope is cancelled: that is noticed here, in the name of the call.
    pub(crate) fn check(&self) -> Result<(), Status> {
        // A scope whose parent is cancelled does not begin.
        let scope = Scope::new()
            .name(self.name.clone())
            .parent(&self.token)
            .located_at(self.location);
        scope
            .run_sync(|| Ok::<_, Cancelled>(()))
            .map_err(|cancelled| self.status(cancelled))
    }

    fn status(&self, cancelled: Cancelled) -> Status {
        status::by_table(cancelled, &self.table)
    }
}

pin_project! {
    /// The future of a [`ClientService`](crate::ClientService)'s answer. If it is dropped, the stream of the call is reset.
    #[must_use = "futures do nothing unless polled"]
    pub struct CallFuture<F> {
        #[pin]
        inner: Option<F>,
        #[pin]
        cancelled: Option<WaitForCancellationFutureOwned>,
        call: Option<Call>,
        refused: Option<Status>,
    }
}

impl<F> CallFuture<F> {
    pub(crate) fn new(inner: F, call: Call) -> Self {
        Self {
            inner: Some(inner),
            cancelled: Some(call.token.clone().cancelled_owned()),
            call: Some(call),
            refused: None,
        }
    }

    /// Nothing has been sent.
    pub(crate) fn refused(status: Status) -> Self {
        Self {
            inner: None,
            cancelled: None,
            call: None,
            refused: Some(status),
        }
    }
}

impl<F, B, E> Future for CallFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<CallBody<B>>, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Some(refused) = this.refused.take() {
            return Poll::Ready(Err(refused));
        }
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            panic!("the future of a call was polled after it had completed");
        };
        let result = match inner.poll(cx) {
            Poll::Ready(Ok(response)) => {
                let call = this.call.take();
                Ok(response.map(|body| CallBody::new(body, call)))
            }
            Poll::Ready(Err(error)) => Err(transport::status(error.into())),
            Poll::Pending => {
                match this.cancelled.as_mut().as_pin_mut() {
                    Some(cancelled) => ready!(cancelled.poll(cx)),
                    None => return Poll::Pending,
                }
                match this.call.as_ref().map(Call::check) {
                    Some(Err(status)) => Err(status),
                    _ => return Poll::Pending,
                }
            }
        };
        // (Which resets the stream, if there is no answer.)
        this.inner.set(None);
        this.cancelled.set(None);
        Poll::Ready(result)
    }
}

impl<F> fmt::Debug for CallFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture").finish_non_exhaustive()
    }
}

pin_project! {
    /// The body of an answer to a [`ClientService`](crate::ClientService). If the scope of the call is cancelled before its end, it
    /// ends with a [`Status`] that says so, and the stream of the call is reset. So it is if the body is dropped.
    pub struct CallBody<B> {
        #[pin]
        inner: Option<B>,
        #[pin]
        cancelled: Option<WaitForCancellationFutureOwned>,
        call: Option<Call>,
        last_frames: usize,
    }
}

impl<B> CallBody<B> {
    fn new(inner: B, call: Option<Call>) -> Self {
        Self {
            inner: Some(inner),
            cancelled: call.as_ref().map(|call| call.token.clone().cancelled_owned()),
            call,
            last_frames: LAST_FRAMES,
        }
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for CallBody<B> {
    type Data = B::Data;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, Status>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let is_cancelled = this.call.as_ref().is_some_and(|call| call.token.is_cancelled());
        let is_enough = is_cancelled && *this.last_frames == 0;
        if is_cancelled && !is_enough {
            *this.last_frames -= 1;
        }
        let end = match inner.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if !is_enough || frame.is_trailers() => return Poll::Ready(Some(Ok(frame))),
            Poll::Ready(Some(Err(error))) => Some(Err(transport::status(error.into()))),
            Poll::Ready(None) => None,
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {
                if !is_enough {
                    match this.cancelled.as_mut().as_pin_mut() {
                        Some(cancelled) => ready!(cancelled.poll(cx)),
                        None => return Poll::Pending,
                    }
                }
                match this.call.as_ref().map(Call::check) {
                    Some(Err(status)) => Some(Err(status)),
                    _ => return Poll::Pending,
                }
            }
        };
        this.inner.set(None);
        this.cancelled.set(None);
        Poll::Ready(end)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> fmt::Debug for CallBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBody").finish_non_exhaustive()
    }
}
