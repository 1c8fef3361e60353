//! A service that does as a test says, servers, clients, and what they tell.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use cancelable::{Cancelled, cancelable};
use cancelable_tonic::{ClientLayer, ClientService, RequestEnd, Requests, ServerLayer};
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use http::{Request as HttpRequest, Response as HttpResponse};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::codegen::http::Uri;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, Streaming, async_trait};
use tower::{Layer as _, Service, service_fn};

use crate::proto::{Number, Numbers, Primes, PrimesClient, PrimesServer};

/// No test waits so long.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(100_000);

type Answer<T> = BoxFuture<'static, Result<T, Status>>;
type Method<Q, A> = Arc<dyn Fn(Request<Q>) -> Answer<A> + Send + Sync>;

/// A service that does as a test says.
#[derive(Clone)]
pub(crate) struct Script {
    count: Method<Number, u64>,
    list: Method<Number, Numbers>,
    sum: Method<Streaming<Number>, u64>,
    /// How often anything of it has been called.
    pub(crate) calls: Arc<AtomicUsize>,
}

impl Script {
    pub(crate) fn new() -> Self {
        fn none<Q, A: Send + 'static>(_: Request<Q>) -> Answer<A> {
            std::future::ready(Err(Status::unimplemented("no such method"))).boxed()
        }
        Self {
            count: Arc::new(none),
            list: Arc::new(none),
            sum: Arc::new(none),
            calls: Arc::default(),
        }
    }

    pub(crate) fn count<F>(self, count: impl Fn(Request<Number>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<u64, Status>> + Send + 'static,
    {
        Self {
            count: Arc::new(move |request| count(request).boxed()),
            ..self
        }
    }

    pub(crate) fn list<F>(self, list: impl Fn(Request<Number>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Numbers, Status>> + Send + 'static,
    {
        Self {
            list: Arc::new(move |request| list(request).boxed()),
            ..self
        }
    }

    pub(crate) fn sum<F>(self, sum: impl Fn(Request<Streaming<Number>>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<u64, Status>> + Send + 'static,
    {
        Self {
            sum: Arc::new(move |request| sum(request).boxed()),
            ..self
        }
    }

    /// `Count` never answers.
    pub(crate) fn pending() -> Self {
        Self::new().count(async |_| std::future::pending().await)
    }

    /// `Count` says how many milliseconds are left, rounded up; 0: no limit.
    pub(crate) fn asked() -> Self {
        Self::new().count(async |_| Ok(millis_left()))
    }

    pub(crate) fn called(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn server(&self) -> PrimesServer<Self> {
        PrimesServer::new(self.clone())
    }

    fn call(&self) {
        self.calls.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn millis_left() -> u64 {
    cancelable::remaining().map_or(0, |left| left.as_nanos().div_ceil(1_000_000) as u64)
}

#[async_trait]
impl Primes for Script {
    async fn count(&self, request: Request<Number>) -> Result<Response<Number>, Status> {
        self.call();
        Ok(Response::new((self.count)(request).await?.into()))
    }

    async fn list(&self, request: Request<Number>) -> Result<Response<Numbers>, Status> {
        self.call();
        Ok(Response::new((self.list)(request).await?))
    }

    async fn sum(&self, request: Request<Streaming<Number>>) -> Result<Response<Number>, Status> {
        self.call();
        Ok(Response::new((self.sum)(request).await?.into()))
    }
}

/// Tonic's server, with a layer round all of it.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Requests,
    pub(crate) ends: UnboundedReceiver<RequestEnd>,
}

impl Server {
    pub(crate) async fn start(layer: ServerLayer, script: &Script) -> Self {
        let (ended, ends) = unbounded_channel();
        let layer = layer.on_end(move |end| ended.send(end.clone()).unwrap_or_default());
        let requests = layer.all().clone();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .layer(layer)
            .add_service(script.server())
            .serve_with_incoming(TcpIncoming::from(listener));
        tokio::spawn(server);
        Self {
            address,
            requests,
            ends,
        }
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap()
    }

    /// Tonic's client, as it is.
    pub(crate) fn client(&self) -> PrimesClient<Channel> {
        PrimesClient::new(self.endpoint().connect_lazy())
    }

    /// Tonic's client, whose calls belong to scopes.
    pub(crate) fn scoped(&self) -> PrimesClient<ClientService<Channel>> {
        PrimesClient::new(ClientLayer::new().layer(self.endpoint().connect_lazy()))
    }

    /// A client without timers: tonic's ends a call by `grpc-timeout` itself.
    pub(crate) async fn bare(&self) -> PrimesClient<Bare> {
        PrimesClient::new(Bare::connect(self.address).await)
    }

    pub(crate) async fn end(&mut self) -> RequestEnd {
        self.ends.recv().await.expect("a call that ends")
    }
}

/// A server without a network: its clock is the test's, which may stand still while there is something to do.
pub(crate) struct Local {
    pub(crate) channel: Channel,
    pub(crate) ends: UnboundedReceiver<RequestEnd>,
    /// How often the channel has connected.
    pub(crate) connections: Arc<AtomicUsize>,
}

impl Local {
    /// With a layer, or as tonic is alone.
    pub(crate) fn start(layer: impl Into<Option<ServerLayer>>, script: &Script) -> Self {
        let (ended, ends) = unbounded_channel();
        let (connect, incoming) = unbounded_channel::<DuplexStream>();
        let incoming = UnboundedReceiverStream::new(incoming).map(Ok::<_, io::Error>);
        let layer = layer.into();
        let service = script.server();
        tokio::spawn(async move {
            let mut server = tonic::transport::Server::builder();
            match layer {
                Some(layer) => {
                    let layer = layer.on_end(move |end| ended.send(end.clone()).unwrap_or_default());
                    server
                        .layer(layer)
                        .add_service(service)
                        .serve_with_incoming(incoming)
                        .await
                }
                None => server.add_service(service).serve_with_incoming(incoming).await,
            }
        });
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let connector = service_fn(move |_: Uri| {
            counted.fetch_add(1, Ordering::SeqCst);
            let (near, far) = duplex(1 << 16);
            let sent = connect.send(far).map_err(io::Error::other);
            std::future::ready(sent.map(|()| TokioIo::new(near)))
        });
        Self {
            channel: Endpoint::from_static("http://local").connect_with_connector_lazy(connector),
            ends,
            connections,
        }
    }

    pub(crate) fn client(&self) -> PrimesClient<Channel> {
        PrimesClient::new(self.channel.clone())
    }

    pub(crate) fn scoped(&self) -> PrimesClient<ClientService<Channel>> {
        PrimesClient::new(ClientLayer::new().layer(self.channel.clone()))
    }

    pub(crate) async fn end(&mut self) -> RequestEnd {
        self.ends.recv().await.expect("a call that ends")
    }
}

/// A connection of hyper's.
#[derive(Clone)]
pub(crate) struct Bare {
    sender: SendRequest<Body>,
    authority: String,
}

impl Bare {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Self {
            sender,
            authority: address.to_string(),
        }
    }
}

impl Service<HttpRequest<Body>> for Bare {
    type Response = HttpResponse<Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, hyper::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.sender.poll_ready(cx)
    }

    fn call(&mut self, mut request: HttpRequest<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        *request.uri_mut() = format!("http://{}{path}", self.authority).parse().unwrap();
        self.sender.send_request(request).boxed()
    }
}

/// A request with a time limit as it stands in the header.
pub(crate) fn with_timeout(value: u64, timeout: &str) -> Request<Number> {
    let mut request = Request::new(Number::from(value));
    request.metadata_mut().insert("grpc-timeout", timeout.parse().unwrap());
    request
}

/// What happens in handlers.
#[derive(Clone)]
pub(crate) struct Log(UnboundedSender<String>);

pub(crate) struct Logged(UnboundedReceiver<String>);

pub(crate) fn log() -> (Log, Logged) {
    let (sender, receiver) = unbounded_channel();
    (Log(sender), Logged(receiver))
}

impl Log {
    pub(crate) fn say(&self, what: impl ToString) {
        let _ = self.0.send(what.to_string());
    }
}

impl Logged {
    pub(crate) async fn next(&mut self) -> String {
        self.0.recv().await.expect("somebody to say something")
    }

    pub(crate) fn nothing(&mut self) {
        assert_eq!(self.0.try_recv().ok(), None);
    }
}

/// What a blocking worker does until it is stopped.
#[cancelable]
pub(crate) fn work() -> Result<u64, Cancelled> {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n + 1);
    }
}

/// A worker on a thread for blocking work, which says how it ended.
pub(crate) async fn worker(log: Log) -> Result<u64, Status> {
    let worker = cancelable::tokio::spawn_blocking(move || {
        log.say("working");
        let worked = work();
        log.say(worked.as_ref().unwrap_err().reason());
        worked
    });
    worker.await.unwrap().map_err(cancelable_tonic::status)
}

/// A stream of what is sent here.
pub(crate) fn channel() -> (UnboundedSender<Result<Number, Status>>, Numbers) {
    let (sender, receiver) = unbounded_channel();
    (sender, Box::pin(UnboundedReceiverStream::new(receiver)))
}

/// These, and then nothing more, and no end.
pub(crate) fn endless(first: impl IntoIterator<Item = u64, IntoIter: Send + 'static>) -> Numbers {
    let first = futures::stream::iter(first.into_iter().map(|n| Ok(Number::from(n))));
    Box::pin(first.chain(futures::stream::pending()))
}

/// Until it is so, but for a minute at most.
pub(crate) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(60), waiting).await;
    assert!(waited.is_ok(), "{what}");
}

/// A thing that says that it is dropped.
pub(crate) struct Told(pub(crate) Log, pub(crate) &'static str);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.say(self.1);
    }
}

/// All messages of a stream, and how it ended.
pub(crate) async fn all(mut numbers: Streaming<Number>) -> (Vec<u64>, Result<(), Status>) {
    let mut received = Vec::new();
    loop {
        match numbers.message().await {
            Ok(Some(number)) => received.push(number.value),
            Ok(None) => return (received, Ok(())),
            Err(status) => return (received, Err(status)),
        }
    }
}
