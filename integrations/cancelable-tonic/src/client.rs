//! `ClientLayer`: what leaves a scope takes along what is left of its time.

use std::fmt;
use std::panic::Location;
use std::task::{Context, Poll};
use std::time::Duration;

use cancelable::{StatusTable, current};
use cancelable_tower::TimeoutHeader;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tonic::Status;
use tower_layer::Layer;
use tower_service::Service;

use crate::call::{Call, CallBody, CallFuture};
use crate::error::BoxError;
use crate::transport;
use crate::wire::{self, GRPC_TIMEOUT};

/// Middleware round a client's channel: a call belongs to the scope that it is made in. Cheap to clone.
///
/// - What is left of the scope's time goes out as `grpc-timeout`, less a [margin](Self::margin).
/// - If nothing is left, or the scope is cancelled already, the call is refused there and then: nothing is sent.
/// - If the scope is cancelled before the answer is whole, the call is dropped, which resets its stream: the server stops. So does what
///   that has called. The caller gets a [`Status`] whose source is the [`Cancelled`](cancelable::Cancelled): see
///   [`cancelled`](crate::cancelled()). That goes for a stream of answers as well, wherever it is read.
///
/// Without a scope, or in one without a deadline, calls are as they were.
///
/// ```no_run
/// use cancelable_tonic::ClientLayer;
/// use tonic::transport::Channel;
/// use tower::ServiceBuilder;
/// # mod proto { pub struct PrimesClient<T>(T); impl<T> PrimesClient<T> { pub fn new(inner: T) -> Self { Self(inner) } } }
///
/// # fn connect() -> Result<(), tonic::transport::Error> {
/// let channel = Channel::from_static("http://127.0.0.1:50051").connect_lazy();
/// let client = proto::PrimesClient::new(ServiceBuilder::new().layer(ClientLayer::new()).service(channel));
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// Those of the service are made into a [`Status`] as tonic does, but for two: that of the channel's own timer, which goes by
/// `grpc-timeout` too, is DEADLINE_EXCEEDED (tonic: CANCELLED), and that of a connection that breaks is UNAVAILABLE (tonic:
/// UNKNOWN). What a layer between this one and the channel fails with, other than a `Status`, is UNAVAILABLE as well.
#[derive(Clone, Debug)]
#[must_use = "a layer does nothing until it is put round a service"]
pub struct ClientLayer {
    margin: Duration,
    table: StatusTable,
    location: &'static Location<'static>,
}

impl ClientLayer {
    /// A margin of 5 ms. This line is the one that notices, where a call is cancelled.
    #[track_caller]
    pub fn new() -> Self {
        Self {
            margin: Duration::from_millis(5),
            table: StatusTable::DEFAULT,
            location: Location::caller(),
        }
    }

    /// How much of the scope's time is kept back at each call: for the way there and back, and for what is to be done with the answer.
    /// 5 ms, if nothing is said.
    ///
    /// A scope that has no more than that left makes no calls. A `grpc-timeout` that the call has already (of
    /// [`tonic::Request::set_timeout`]) stays if it is shorter.
    pub fn margin(self, margin: Duration) -> Self {
        Self { margin, ..self }
    }

    /// Other codes than those of [`StatusTable::DEFAULT`] for calls that are cancelled here.
    pub fn statuses(self, table: StatusTable) -> Self {
        Self { table, ..self }
    }

    /// The time limit to be sent; an error if there is no time for the call.
    fn limit(&self, headers: &HeaderMap) -> Result<Option<Duration>, Status> {
        let Some(left) = current().remaining() else {
            return Ok(None);
        };
        let Some(limit) = left.checked_sub(self.margin).filter(|limit| !limit.is_zero()) else {
            let margin = self.margin;
            let message =
                format!("{left:?} left of the time limit, and {margin:?} are kept back: the call was not made");
            return Err(Status::deadline_exceeded(message));
        };
        let own = TimeoutHeader::grpc_timeout().read(headers).and_then(Result::ok);
        Ok(own.is_none_or(|own| limit < own).then_some(limit))
    }
}

/// As [`ClientLayer::new`].
impl Default for ClientLayer {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ClientLayer {
    type Service = ClientService<S>;

    fn layer(&self, inner: S) -> ClientService<S> {
        ClientService {
            inner,
            layer: self.clone(),
        }
    }
}

/// A client's service whose calls belong to the scopes that they are made in; made by [`ClientLayer`]. For the `new` of generated
/// clients.
#[derive(Clone)]
pub struct ClientService<S> {
    inner: S,
    layer: ClientLayer,
}

impl<S, Q, B> Service<Request<Q>> for ClientService<S>
where
    S: Service<Request<Q>, Response = Response<B>, Error: Into<BoxError>>,
    B: Body<Error: Into<BoxError>>,
{
    type Response = Response<CallBody<B>>;
    type Error = Status;
    type Future = CallFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.inner
            .poll_ready(cx)
            .map_err(|error| transport::status(error.into()))
    }

    fn call(&mut self, mut request: Request<Q>) -> Self::Future {
        let path = request.uri().path();
        let call = Call {
            token: current(),
            name: path.strip_prefix('/').unwrap_or(path).to_owned(),
            location: self.layer.location,
            table: self.layer.table.clone(),
        };
        if call.token.check().is_err()
            && let Err(status) = call.check()
        {
            return CallFuture::refused(status);
        }
        match self.layer.limit(request.headers()) {
            Ok(Some(limit)) => {
                request.headers_mut().insert(GRPC_TIMEOUT, wire::header(limit));
            }
            Ok(None) => {}
            Err(status) => return CallFuture::refused(status),
        }
        CallFuture::new(self.inner.call(request), call)
    }
}

impl<S: fmt::Debug> fmt::Debug for ClientService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientService")
            .field("inner", &self.inner)
            .field("layer", &self.layer)
            .finish()
    }
}
