//! `CancelService` and its future: each request in a scope.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
#[cfg(feature = "tokio")]
use std::task::ready;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::body::CancelBody;
use crate::end::RequestEnd;
use crate::error::BoxError;
#[cfg(feature = "tokio")]
use crate::run::Returning;
use crate::run::Run;
use crate::running::{Begun, First, Running, Work};
use crate::settings::Settings;
use crate::slot::Slot;
use crate::token::RequestToken;

/// A service each of whose requests has a scope; made by [`CancelLayer`](crate::CancelLayer).
#[derive(Clone)]
pub struct CancelService<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S> CancelService<S> {
    pub(crate) fn new(inner: S, settings: Arc<Settings>) -> Self {
        Self { inner, settings }
    }
}

impl<S, Q, B> Service<Request<Q>> for CancelService<S>
where
    S: Service<Request<Q>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    Q: Send + 'static,
    B: Body<Error: Into<BoxError>, Data: From<Bytes> + Send + 'static> + Send + 'static,
{
    type Response = Response<CancelBody<B::Data>>;
    type Error = S::Error;
    type Future = ResponseFuture<B::Data, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        // The one that is ready.
        let inner = self.inner.clone();
        let service = mem::replace(&mut self.inner, inner);
        let settings = &self.settings;
        let (parts, body) = request.into_parts();
        let name = (settings.name)(&parts);
        let policy = (settings.policy)(&parts);
        #[cfg(feature = "tokio")]
        if let Some(returning) = Returning::ask(&settings.kept, &policy) {
            return ResponseFuture(State::Returning(returning), PhantomData);
        }
        let begun = Begun {
            method: parts.method.clone(),
            // For who observes.
            path: if settings.observers.is_empty() {
                String::new()
            } else {
                parts.uri.path().to_owned()
            },
            name: Arc::from(&*name),
        };
        let limit = match settings.limit(&parts.headers) {
            Ok(limit) => limit,
            Err(bad) => {
                let response = settings.refuse(&bad);
                settings.observe(&RequestEnd::refused(begun.name, begun.method, begun.path, &response));
                return ResponseFuture(State::Refused(Some(response)), PhantomData);
            }
        };
        let slot = Arc::new(Slot::new(!settings.observers.is_empty()));
        let work = work(
            service,
            Request::from_parts(parts, body),
            settings.scope(name, limit),
            Arc::clone(&slot),
        );
        let run = Run::new(Running::new(Arc::clone(settings), begun, slot, work), policy);
        ResponseFuture(State::Running(run), PhantomData)
    }
}

/// The scope of a request, with all that runs in it: the service, and then the response's body.
fn work<S, Q, B>(mut service: S, mut request: Request<Q>, scope: cancelable::Scope, slot: Arc<Slot<B::Data>>) -> Work
where
    S: Service<Request<Q>, Response = Response<B>, Error: Send + 'static, Future: Send> + Send + 'static,
    Q: Send + 'static,
    B: Body<Error: Into<BoxError>, Data: Send + 'static> + Send + 'static,
{
    Box::pin(scope.run_with(move |token| {
        slot.begin(token.clone());
        request.extensions_mut().insert(RequestToken(token));
        let is_for_head = request.method() == Method::HEAD;
        // Here already, so that the future has no place for the request.
        let response = service.call(request);
        drop(service);
        async move {
            Ok(match response.await {
                Ok(response) => slot.answer(response, is_for_head).await,
                Err(error) => slot.fail(error),
            })
        }
    }))
}

impl<S: fmt::Debug> fmt::Debug for CancelService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelService")
            .field("inner", &self.inner)
            .field("layer", &self.settings)
            .finish()
    }
}

/// The future of a [`CancelService`]'s response. Dropping it is a client that leaves: see [`OnDisconnect`](crate::OnDisconnect).
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture<D: Buf + Send + 'static, E>(State<D>, PhantomData<fn() -> E>);

enum State<D: Buf + Send + 'static> {
    Running(Run<D>),
    /// To the request that its client had left before.
    #[cfg(feature = "tokio")]
    Returning(Returning<D>),
    Refused(Option<Response<Bytes>>),
}

impl<D, E> Future for ResponseFuture<D, E>
where
    D: Buf + From<Bytes> + Send + 'static,
    E: 'static,
{
    type Output = Result<Response<CancelBody<D>>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        #[cfg(feature = "tokio")]
        if let State::Returning(returning) = &mut self.0 {
            self.0 = match ready!(returning.poll(cx)) {
                Some(run) => State::Running(run),
                None => State::Refused(Some(crate::answer::shutting_down())),
            };
        }
        match &mut self.0 {
            State::Refused(response) => match response.take() {
                Some(response) => Poll::Ready(Ok(response.map(CancelBody::text))),
                None => panic!("the future of a response was polled after it had completed"),
            },
            State::Running(run) => run.poll_first(cx).map(|first| self.answer(first)),
            #[cfg(feature = "tokio")]
            State::Returning(_) => Poll::Pending,
        }
    }
}

impl<D: Buf + From<Bytes> + Send + 'static, E: 'static> ResponseFuture<D, E> {
    fn answer(&mut self, first: First) -> Result<Response<CancelBody<D>>, E> {
        if let (First::Head(_), State::Running(run)) = (&first, &mut self.0)
            && let Some(rest) = run.rest()
            && let First::Head(parts) = first
        {
            self.0 = State::Refused(None);
            return Ok(Response::from_parts(parts, CancelBody::rest(rest)));
        }
        let state = mem::replace(&mut self.0, State::Refused(None));
        match (first, state) {
            (First::Head(parts), State::Running(run)) => Ok(Response::from_parts(parts, CancelBody::running(run))),
            (First::Cancelled(response), _) => Ok(response.map(CancelBody::text)),
            (First::Failed(error), _) => match error.downcast() {
                Ok(error) => Err(*error),
                Err(_) => unreachable!("the error is that of this service"),
            },
            (First::Head(_), _) => unreachable!("what has a head is running"),
        }
    }
}

impl<D: Buf + Send + 'static, E> fmt::Debug for ResponseFuture<D, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
