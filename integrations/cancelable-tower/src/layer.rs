//! `CancelLayer`: what a request's scope is like, as the program says it.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cancelable::{CancelStatus, Cancelled, StatusTable};
use http::request::Parts;
use http::{HeaderMap, Response};
use tower_layer::Layer;

use crate::end::RequestEnd;
use crate::header::{BadHeader, BadTimeout, TimeoutHeader};
use crate::policy::OnDisconnect;
use crate::requests::Requests;
use crate::service::CancelService;
use crate::settings::Settings;

/// Middleware that opens a scope for each request: [`cancelable::Scope`], from the call of the service to the end of the response's
/// body. Cheap to clone.
///
/// What is in the scope (annotated functions, tasks of `cancelable::tokio::spawn`, blocking workers, streams) is cancelled when the
/// request's time is up, when its client leaves, and when the service shuts down. A request that is cancelled before it has an
/// answer is answered with the status that a [`StatusTable`] has for the reason: 504, 503 with `Retry-After`, 499.
///
/// ```
/// use bytes::Bytes;
/// use cancelable::{cancelable, sleep};
/// use cancelable_tower::{CancelLayer, CancelledResponse};
/// use http::{Request, Response, StatusCode};
/// use http_body_util::{BodyExt as _, Full};
/// use std::time::Duration;
/// use tower::{ServiceBuilder, ServiceExt as _, service_fn};
///
/// #[cancelable]
/// async fn work() -> Result<(), CancelledResponse> {
///     sleep(Duration::from_secs(3600)).await?;
///     Ok(())
/// }
///
/// async fn handle(_: Request<()>) -> Result<Response<Full<Bytes>>, CancelledResponse> {
///     work().await.map(|()| Response::default())
/// }
///
/// # futures::executor::block_on(async {
/// let layer = CancelLayer::new().timeout(Duration::from_millis(5));
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(async |request| {
///     // Errors of a handler are responses. (axum does this by itself.)
///     handle(request).await.or_else(|cancelled| Ok::<_, std::convert::Infallible>(Response::from(cancelled).map(Full::new)))
/// }));
/// let response = service.oneshot(Request::get("/").body(()).unwrap()).await.unwrap();
/// assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
/// let text = response.into_body().collect().await.unwrap().to_bytes();
/// assert_eq!(text, "timed out after 5ms (scope \"GET /\")\n");
/// # });
/// ```
///
/// # The service
///
/// It is called in the scope, when the response is first polled: one that is refused is not called at all. So it is `Clone`, as axum's
/// and tonic's are. What it and the response's body return is not changed; see [`CancelBody`](crate::CancelBody).
///
/// # Time limits
///
/// They count from the first poll of the response, and go on until the end of the body: routes with endless streams want a layer of
/// their own, without a limit. Zero, from a header or as the default, is answered with 504, and the service is not called.
///
/// # Beside other layers
///
/// `tower_http`'s `TimeoutLayer` further out drops the response's future when its time is up: that is a client that leaves, by
/// [`on_disconnect`](Self::on_disconnect). Further in, it answers with 408, and drops the handler, in a scope that has ended.
#[derive(Clone)]
#[must_use = "a layer does nothing until it is put round a service"]
pub struct CancelLayer(Arc<Settings>);

impl CancelLayer {
    /// No time limit; what a client leaves behind is dropped. This line is what a [`RequestEnd`] says where the scope itself is
    /// what set a limit, or noticed.
    #[track_caller]
    pub fn new() -> Self {
        Self(Arc::new(Settings::new()))
    }

    fn with(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.0));
        self
    }

    /// How long a request may take that says nothing of it. `None`, and a duration too long for the clock, is no limit.
    pub fn timeout(self, limit: impl Into<Option<Duration>>) -> Self {
        self.with(|settings| settings.timeout = limit.into())
    }

    /// The headers in which a request may say how long it has. The first that is there counts.
    ///
    /// ```
    /// use cancelable_tower::{CancelLayer, TimeoutHeader};
    /// use std::time::Duration;
    ///
    /// let layer = CancelLayer::new()
    ///     .timeout(Duration::from_secs(30))
    ///     .timeout_headers([TimeoutHeader::grpc_timeout(), TimeoutHeader::x_request_timeout()])
    ///     .max_timeout(Duration::from_secs(60));
    /// # let _ = layer;
    /// ```
    pub fn timeout_headers(self, headers: impl IntoIterator<Item = TimeoutHeader>) -> Self {
        self.with(|settings| settings.headers = headers.into_iter().collect())
    }

    /// The most that is believed of a header. Without, that is the [`timeout`](Self::timeout).
    pub fn max_timeout(self, limit: Duration) -> Self {
        self.with(|settings| settings.max_timeout = Some(limit))
    }

    /// What becomes of a request with a header that cannot be read: 400, if nothing is said.
    pub fn bad_header(self, bad: BadHeader) -> Self {
        self.with(|settings| settings.bad_header = bad)
    }

    /// How long a cancelled handler may take to clean up, as [`Scope::grace`](cancelable::Scope::grace): then it is dropped. Without,
    /// the scope waits for shields as long as they take.
    pub fn grace(self, grace: Duration) -> Self {
        self.with(|settings| settings.grace = Some(grace))
    }

    /// What becomes of a request whose client leaves: by default, it is dropped.
    pub fn on_disconnect(self, policy: OnDisconnect) -> Self {
        self.on_disconnect_by(move |_| policy.clone())
    }

    /// As [`on_disconnect`](Self::on_disconnect), for each request by itself: by its route, its method, a header.
    ///
    /// ```
    /// use cancelable_tower::{CancelLayer, OnDisconnect};
    ///
    /// let layer = CancelLayer::new().on_disconnect_by(|request| match request.uri.path() {
    ///     "/orders" => OnDisconnect::Detach,          // accepted is accepted
    ///     _ => OnDisconnect::Cancel,
    /// });
    /// # let _ = layer;
    /// ```
    pub fn on_disconnect_by(self, policy: impl Fn(&Parts) -> OnDisconnect + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.policy = Arc::new(policy))
    }

    /// Names the scopes. Without, that is the method and the route, with axum, or the path.
    ///
    /// Names are in error messages and logs, and a client sees that of a scope whose time is up.
    pub fn name(self, name: impl Fn(&Parts) -> Cow<'static, str> + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.name = Arc::new(name))
    }

    /// Other statuses than those of [`StatusTable::DEFAULT`], also for what a handler answers with a
    /// [`CancelledResponse`](crate::CancelledResponse).
    pub fn statuses(self, table: StatusTable) -> Self {
        self.with(|settings| settings.table = table)
    }

    /// What to answer, where the scope is cancelled before the service has answered. Without, that is as a
    /// [`CancelledResponse`](crate::CancelledResponse).
    ///
    /// ```
    /// use bytes::Bytes;
    /// use cancelable_tower::CancelLayer;
    /// use http::Response;
    ///
    /// let layer = CancelLayer::new().respond(|cancelled, status| {
    ///     let json = format!("{{\"error\": {:?}}}", cancelled.reason().to_string());
    ///     Response::builder().status(status.http()).body(Bytes::from(json)).unwrap()
    /// });
    /// # let _ = layer;
    /// ```
    pub fn respond(
        self,
        respond: impl Fn(&Cancelled, CancelStatus) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        self.with(|settings| settings.respond = Some(Arc::new(respond)))
    }

    /// What to answer, where a header cannot be read and [`BadHeader::Refuse`] holds. Without, that is 400 with what is wrong as text.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use cancelable_tower::CancelLayer;
    /// use http::{Response, StatusCode};
    ///
    /// let layer = CancelLayer::new().refuse(|bad| {
    ///     let json = format!("{{\"error\": {:?}}}", bad.to_string());
    ///     Response::builder().status(StatusCode::BAD_REQUEST).body(Bytes::from(json)).unwrap()
    /// });
    /// # let _ = layer;
    /// ```
    pub fn refuse(self, refuse: impl Fn(&BadTimeout) -> Response<Bytes> + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.refuse = Some(Arc::new(refuse)))
    }

    /// With what trailers a body ends that is cut: for clients that read there how it went, as those of gRPC do. Without, the body ends
    /// with an error, so that the response breaks off.
    ///
    /// ```
    /// use cancelable_tower::CancelLayer;
    /// use http::HeaderMap;
    ///
    /// let layer = CancelLayer::new().trailers(|_, status| {
    ///     HeaderMap::from_iter([("grpc-status".parse().unwrap(), u16::from(status.grpc()).into())])
    /// });
    /// # let _ = layer;
    /// ```
    pub fn trailers(self, trailers: impl Fn(&Cancelled, CancelStatus) -> HeaderMap + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.trailers = Some(Arc::new(trailers)))
    }

    /// Is told of each request when its scope has ended. May be given several times.
    ///
    /// It is called where that happens, perhaps in a destructor: it should not block. If it panics, that is caught, and what the
    /// panic hook says of it is all that is said.
    ///
    /// ```
    /// use cancelable_tower::CancelLayer;
    ///
    /// let layer = CancelLayer::new().on_end(|end| eprintln!("{end}"));
    /// # let _ = layer;
    /// // method=GET path="/rows" status=504 outcome=cancelled latency_ms=30.117 reason="timed out after 30ms (scope \"GET /rows\")"
    /// // requested_at=src/main.rs:12:17 noticed_at=src/rows.rs:31:9
    /// ```
    pub fn on_end(self, observe: impl Fn(&RequestEnd) + Send + Sync + 'static) -> Self {
        self.with(|settings| settings.observers.push(Arc::new(observe)))
    }

    /// Counts the requests among these, so that they can be cancelled and drained. Without, they are among those of
    /// [`CancelLayer::all`].
    pub fn requests(self, requests: &Requests) -> Self {
        self.with(|settings| settings.requests = requests.clone())
    }

    /// The requests of this layer, of its clones and of its services.
    #[must_use]
    pub fn all(&self) -> &Requests {
        &self.0.requests
    }
}

/// As [`CancelLayer::new`].
impl Default for CancelLayer {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for CancelLayer {
    type Service = CancelService<S>;

    fn layer(&self, inner: S) -> CancelService<S> {
        CancelService::new(inner, Arc::clone(&self.0))
    }
}

impl fmt::Debug for CancelLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
