//! `Reply`: the service that is asked in the scope of a call.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::error::BoxError;
use crate::request::RequestBody;
use crate::response::{ResponseBody, Style};

/// A service of tonic's, with what stands between it and its scope.
#[derive(Clone, Debug)]
pub(crate) struct Reply<S> {
    pub(crate) inner: S,
    pub(crate) style: Style,
}

impl<S, Q, B> Service<Request<Q>> for Reply<S>
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>>,
    Q: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<ResponseBody<B>>;
    type Error = S::Error;
    type Future = ReplyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        let request = request.map(|body| tonic::body::Body::new(RequestBody::new(body)));
        ReplyFuture {
            inner: self.inner.call(request),
            style: Some(self.style.clone()),
        }
    }
}

pin_project! {
    pub(crate) struct ReplyFuture<F> {
        #[pin]
        inner: F,
        style: Option<Style>,
    }
}

impl<F, B, E> Future for ReplyFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        match this.style.take() {
            Some(style) => Poll::Ready(Ok(style.answer(response))),
            None => panic!("the future of an answer was polled after it had completed"),
        }
    }
}
