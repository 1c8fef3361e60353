//! `ServerLayer`: what a call's scope is like, as the program says it.

use std::borrow::Cow;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use cancelable::StatusTable;
use cancelable_tower::{
    BadHeader, CancelBody, CancelLayer, CancelService, OnDisconnect, RequestEnd, Requests, ResponseFuture,
    TimeoutHeader,
};
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tonic::Status;
use tonic::server::NamedService;
use tower_layer::Layer;
use tower_service::Service;

use crate::error::BoxError;
use crate::reply::Reply;
use crate::response::Style;
use crate::wire;

/// Middleware that opens a scope for each call of a gRPC service: [`cancelable::Scope`], from the call to the end of its trailers.
/// Cheap to clone.
///
/// What is in the scope (annotated functions, tasks of `cancelable::tokio::spawn`, blocking workers, streams, calls of a
/// [`ClientLayer`](crate::ClientLayer)) is cancelled when the call's time is up, when its client leaves or cancels, and when the
/// service shuts down. Its name is the method's: `primes.Primes/Count`.
///
/// | what happens | the client gets |
/// |---|---|
/// | the time of `grpc-timeout`, or of [`timeout`](Self::timeout), is up | DEADLINE_EXCEEDED |
/// | it was up when the call came (0) | DEADLINE_EXCEEDED; the service is not called |
/// | the service shuts down ([`requests`](Self::requests)) | UNAVAILABLE, with `grpc-retry-pushback-ms` |
/// | the program cancels [`RequestToken`](crate::RequestToken) | CANCELLED |
/// | `grpc-timeout` cannot be read | INVALID_ARGUMENT, or it is as if it were not there: [`bad_header`](Self::bad_header) |
///
/// A stream that has begun ends with that status, after what it has sent: the connection is not broken.
///
/// ```no_run
/// use cancelable_tonic::ServerLayer;
/// use std::time::Duration;
/// use tonic::transport::Server;
/// # use tonic::service::Routes;
///
/// # async fn run(routes: Routes) -> Result<(), tonic::transport::Error> {
/// let layer = ServerLayer::new()
///     .timeout(Duration::from_secs(30))                       // of calls that say nothing
///     .max_timeout(Duration::from_secs(60))                   // what is believed of one that does
///     .on_end(|end| eprintln!("{end}"));
/// Server::builder()
///     .layer(layer)
///     .add_routes(routes)                                     // or `add_service`
///     .serve("127.0.0.1:50051".parse().unwrap())
///     .await
/// # }
/// ```
///
/// It goes round all services of a server, as here, round `tonic::service::Routes` on another server, or round one service:
/// `add_service(layer.layer(PrimesServer::new(…)))`.
///
/// # The handler
///
/// [`cancelable::remaining`] says what is left. A [`CallError`](crate::CallError) takes a cancel to the client. The token is ambient,
/// and among the request's extensions as [`RequestToken`](crate::RequestToken).
///
/// # Beside tonic's timers
///
/// Tonic's server and its channel end a call by `grpc-timeout` as well, with CANCELLED, and stop looking once a stream has begun. So the
/// scope ends a little before: see [`head_start`](Self::head_start). `Server::timeout` of tonic does not know scopes: leave it out.
///
/// # Streams of the client
///
/// If a client leaves in the middle of its stream, the handler's `message()` is an error, ABORTED. (Tonic alone says `None`, as at the
/// end, so that half an upload may be taken for a whole one.)
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put round a service"]
pub struct ServerLayer {
    tower: CancelLayer,
    head_start: Duration,
    style: Style,
}

impl ServerLayer {
    /// No time limit but that of the client; what a client leaves behind is dropped. This line is what a [`RequestEnd`] says where the
    /// scope itself is what set a limit, or noticed.
    #[track_caller]
    pub fn new() -> Self {
        Self {
            tower: CancelLayer::new().name(|parts| {
                let path = parts.uri.path();
                path.strip_prefix('/').unwrap_or(path).to_owned().into()
            }),
            head_start: Duration::from_millis(5),
            style: Style {
                table: StatusTable::DEFAULT,
                reports: false,
            },
        }
    }

    fn with(self, set: impl FnOnce(CancelLayer) -> CancelLayer) -> Self {
        Self {
            tower: set(self.tower),
            ..self
        }
    }

    /// How long a call may take that says nothing of it. `None`, and a duration too long for the clock, is no limit.
    pub fn timeout(self, limit: impl Into<Option<Duration>>) -> Self {
        self.with(|tower| tower.timeout(limit))
    }

    /// The most that is believed of a `grpc-timeout`. Without, that is the [`timeout`](Self::timeout).
    pub fn max_timeout(self, limit: Duration) -> Self {
        self.with(|tower| tower.max_timeout(limit))
    }

    /// How long before the time of `grpc-timeout` is up the scope ends: 5 ms if nothing is said, and never more than a tenth.
    ///
    /// So that the answer (DEADLINE_EXCEEDED, a report) is with the client before that stops listening. Tonic's server and its channel
    /// have timers of their own for the same moment, and theirs know neither.
    pub fn head_start(self, head_start: Duration) -> Self {
        Self { head_start, ..self }
    }

    /// What becomes of a call whose `grpc-timeout` cannot be read: INVALID_ARGUMENT, if nothing is said.
    pub fn bad_header(self, bad: BadHeader) -> Self {
        self.with(|tower| tower.bad_header(bad))
    }

    /// How long a cancelled handler may take to clean up, as [`Scope::grace`](cancelable::Scope::grace): then it is dropped. Without,
    /// the scope waits for shields as long as they take.
    pub fn grace(self, grace: Duration) -> Self {
        self.with(|tower| tower.grace(grace))
    }

    /// What becomes of a call whose client leaves, or cancels it: by default, it is dropped.
    pub fn on_disconnect(self, policy: OnDisconnect) -> Self {
        self.with(|tower| tower.on_disconnect(policy))
    }

    /// As [`on_disconnect`](Self::on_disconnect), for each call by itself.
    pub fn on_disconnect_by(self, policy: impl Fn(&Parts) -> OnDisconnect + Send + Sync + 'static) -> Self {
        self.with(|tower| tower.on_disconnect_by(policy))
    }

    /// Names the scopes. Without, that is the method: `primes.Primes/Count`.
    ///
    /// Names are in error messages and logs, and a client sees that of a scope whose time is up.
    pub fn name(self, name: impl Fn(&Parts) -> Cow<'static, str> + Send + Sync + 'static) -> Self {
        self.with(|tower| tower.name(name))
    }

    /// Other codes than those of [`StatusTable::DEFAULT`], also for what a handler makes of a [`CallError`](crate::CallError).
    ///
    /// ```
    /// use cancelable::{ReasonKind, StatusTable};
    /// use cancelable_tonic::ServerLayer;
    /// use tonic::Code;
    ///
    /// let table = StatusTable::DEFAULT.grpc(ReasonKind::Shutdown, Code::Aborted as u8);
    /// let layer = ServerLayer::new().statuses(table);
    /// # let _ = layer;
    /// ```
    pub fn statuses(mut self, table: StatusTable) -> Self {
        self.style.table = table.clone();
        self.with(|tower| tower.statuses(table))
    }

    /// Whether a status that comes of a cancel says, in its metadata, which lines asked for it and noticed, and in which scopes: no, if
    /// nothing is said. The client reads it with [`report`](crate::report()).
    ///
    /// That is for clients of one's own: it tells of source files and of names. Without, such a report of a service further down is not
    /// passed on either.
    pub fn reports(mut self, reports: bool) -> Self {
        self.style.reports = reports;
        self
    }

    /// Is told of each call when its scope has ended: see [`CancelLayer::on_end`].
    pub fn on_end(self, observe: impl Fn(&RequestEnd) + Send + Sync + 'static) -> Self {
        self.with(|tower| tower.on_end(observe))
    }

    /// Counts the calls among these, so that they can be cancelled and drained. Without, they are among those of
    /// [`ServerLayer::all`].
    pub fn requests(self, requests: &Requests) -> Self {
        self.with(|tower| tower.requests(requests))
    }

    /// The calls of this layer, of its clones and of its services.
    #[must_use]
    pub fn all(&self) -> &Requests {
        self.tower.all()
    }

    /// As one for HTTP, which speaks gRPC.
    fn tower(&self) -> CancelLayer {
        let head_start = self.head_start;
        let (head, trailers) = (self.style.clone(), self.style.clone());
        self.tower
            .clone()
            .timeout_headers([TimeoutHeader::grpc_timeout().map(move |limit| wire::less(limit, head_start))])
            .respond(move |cancelled, _| head.head(cancelled))
            .trailers(move |cancelled, _| trailers.trailers(cancelled))
            .refuse(|bad| Status::invalid_argument(bad.to_string()).into_http())
    }
}

/// As [`ServerLayer::new`].
impl Default for ServerLayer {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = ServerService<S>;

    fn layer(&self, inner: S) -> ServerService<S> {
        let style = self.style.clone();
        ServerService(self.tower().layer(Reply { inner, style }))
    }
}

impl fmt::Debug for ServerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerLayer")
            .field("tower", &self.tower)
            .field("head_start", &self.head_start)
            .field("reports", &self.style.reports)
            .finish()
    }
}

/// A gRPC service each of whose calls has a scope; made by [`ServerLayer`].
#[derive(Clone)]
pub struct ServerService<S>(CancelService<Reply<S>>);

impl<S, Q, B> Service<Request<Q>> for ServerService<S>
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send + 'static,
    Q: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<CancelBody<Bytes>>;
    type Error = S::Error;
    type Future = ResponseFuture<Bytes, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Service::<Request<Q>>::poll_ready(&mut self.0, cx)
    }

    fn call(&mut self, request: Request<Q>) -> Self::Future {
        self.0.call(request)
    }
}

/// For `add_service`.
impl<S: NamedService> NamedService for ServerService<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: fmt::Debug> fmt::Debug for ServerService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ServerService").field(&self.0).finish()
    }
}
