//! `serve`: hyper's server, with a drain. Feature `hyper`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use cancelable::{CancelReason, CancellationToken, Source};
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tower_service::Service;

use crate::error::BoxError;
use crate::requests::{Drained, Requests};

/// Serves HTTP/1 and HTTP/2 until it is told to stop, and then drains. The service is any of tower's: a `Router` of axum, or what
/// else there is for hyper.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use cancelable::signal;
/// use cancelable_tower::{CancelLayer, serve};
/// use std::time::Duration;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let layer = CancelLayer::new().timeout(Duration::from_secs(30));
/// let requests = layer.all().clone();
/// let router = Router::new().route("/", get(async || "hello")).layer(layer);
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
///
/// let signals = signal::unix([signal::SIGINT, signal::SIGTERM])?;
/// let drained = serve(listener, router)
///     .requests(&requests)
///     .run_for(Duration::from_secs(10))
///     .grace(Duration::from_secs(1))
///     .force(signals.clone())                             // a second one
///     .until(signals)
///     .await;
/// eprintln!("{drained}");                                 // received SIGTERM: 3 finished, 1 cancelled
/// # Ok(()) }
/// ```
///
/// The drain:
///
/// 1. The listener is closed, so that clients go elsewhere; connections are closed as soon as no request runs on them.
/// 2. Requests that run may go on for [`run_for`](Serve::run_for).
/// 3. They are cancelled with kind [`Shutdown`](cancelable::ReasonKind::Shutdown): those without an answer answer with 503.
/// 4. After [`grace`](Serve::grace) all is dropped that is left, connections as well, and told of.
///
/// Each stage ends as soon as nothing is left. A blocking worker that does not check goes on; a runtime that is dropped waits for
/// it: see `Runtime::shutdown_timeout` of tokio.
///
/// With axum, handlers may have the client's address, as `ConnectInfo<SocketAddr>` (feature `axum`).
///
/// What is not here, and needs a server of one's own: TLS, limits, and hyper's other settings. [`Requests::drain`] is the drain
/// alone.
pub fn serve<L: Listener, S>(listener: L, service: S) -> Serve<L, S> {
    Serve {
        listener,
        service,
        requests: Requests::new(),
        run_for: Duration::from_secs(10),
        grace: Duration::from_secs(1),
        force: CancellationToken::never(),
        on_drain: None,
    }
}

type OnDrain = dyn FnOnce(&CancelReason) + Send;

/// A server that is about to serve; made by [`serve()`].
#[must_use = "it does not serve before `until`"]
pub struct Serve<L, S, F = CancellationToken> {
    listener: L,
    service: S,
    requests: Requests,
    run_for: Duration,
    grace: Duration,
    force: F,
    on_drain: Option<Box<OnDrain>>,
}

impl<L, S, F> fmt::Debug for Serve<L, S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve")
            .field("requests", &self.requests)
            .field("run_for", &self.run_for)
            .field("grace", &self.grace)
            .finish_non_exhaustive()
    }
}

impl<L, S, F> Serve<L, S, F> {
    /// The requests to be drained: those of the layer that is round the service. Without, only connections are.
    pub fn requests(mut self, requests: &Requests) -> Self {
        self.requests = requests.clone();
        self
    }

    /// How long the requests that run may go on when it is told to stop: ten seconds, if nothing is said.
    pub fn run_for(mut self, run_for: Duration) -> Self {
        self.run_for = run_for;
        self
    }

    /// How long they have to answer and clean up when they have been cancelled then: a second, if nothing is said.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Ends a drain at once: the second signal. It is listened to from the first one on.
    pub fn force<G: Source>(self, force: G) -> Serve<L, S, G> {
        Serve {
            listener: self.listener,
            service: self.service,
            requests: self.requests,
            run_for: self.run_for,
            grace: self.grace,
            force,
            on_drain: self.on_drain,
        }
    }

    /// Is told why, as soon as the drain begins: to log it, or to have a health check say so.
    pub fn on_drain(mut self, tell: impl FnOnce(&CancelReason) + Send + 'static) -> Self {
        self.on_drain = Some(Box::new(tell));
        self
    }

    /// Serves until `stop` fires, and drains.
    ///
    /// Errors of the listener do not end it: after one that is not a single client's, it waits a moment. If this future is dropped, it
    /// accepts nothing more, and connections that are open go on.
    pub async fn until<B>(self, stop: impl Source) -> Drained
    where
        L: Listener,
        S: Service<Request<Incoming>, Response = Response<B>, Future: Send, Error: Into<BoxError>>,
        S: Clone + Send + 'static,
        B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
        F: Source,
    {
        let mut stop = pin!(stop.fired());
        let closing = CancellationToken::new();
        let mut listener = self.listener;
        let reason = loop {
            let accepted = tokio::select! {
                biased;
                reason = &mut stop => break reason,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((io, from)) => {
                    let service = WithClient {
                        inner: self.service.clone(),
                        from,
                    };
                    connect(io, service, &closing, &self.requests);
                }
                Err(error) if is_of_one_client(&error) => {}
                Err(_) => {
                    // There are too many files, most of all. Others may be closed meanwhile.
                    tokio::select! {
                        biased;
                        reason = &mut stop => break reason,
                        () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    }
                }
            }
        };
        // It listens to the second signal before anybody can know of the first.
        let mut force = pin!(self.force.fired());
        let forced = poll_fn(|cx| Poll::Ready(force.as_mut().poll(cx))).await;
        drop(listener);
        if let Some(tell) = self.on_drain {
            tell(&reason);
        }
        closing.cancel_with(reason.clone());
        let hurry = CancellationToken::new();
        let mut drained = pin!(self.requests.drain_until(&hurry, reason, self.run_for, self.grace));
        let force = async {
            match forced {
                Poll::Ready(reason) => reason,
                Poll::Pending => force.await,
            }
        };
        tokio::select! {
            biased;
            reason = force => {
                hurry.cancel_with(reason);
                drained.await
            }
            drained = &mut drained => drained,
        }
    }
}

/// Errors of `accept` that say nothing of the listener.
fn is_of_one_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Serves a connection, in a task.
fn connect<I, S, B>(io: I, service: S, closing: &CancellationToken, requests: &Requests)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Future: Send, Error: Into<BoxError>>,
    S: Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let force = requests.force().clone();
    let tasks = Tasks(force.clone());
    let connected = requests.connect();
    let closing = closing.clone();
    let connection = async move {
        let _connected = connected;
        let mut builder = Builder::new(tasks);
        // For its limit on how long the head of a request may take.
        builder.http1().timer(TokioTimer::new());
        builder.http2().timer(TokioTimer::new());
        let mut connection =
            pin!(builder.serve_connection_with_upgrades(TokioIo::new(io), TowerToHyperService::new(service)));
        // (What goes wrong on a connection is its client's business. Requests are told of by their layer.)
        tokio::select! {
            _ = connection.as_mut() => return,
            () = closing.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    };
    tokio::spawn(force.run_until_cancelled_owned(connection));
}

/// Starts tasks that end when those who drain wait no longer.
#[derive(Clone)]
struct Tasks(CancellationToken);

impl<T: Future<Output: Send> + Send + 'static> Executor<T> for Tasks {
    fn execute(&self, task: T) {
        tokio::spawn(self.0.clone().run_until_cancelled_owned(task));
    }
}

/// A service whose requests say who sent them.
#[derive(Clone)]
struct WithClient<S, A> {
    inner: S,
    from: A,
}

impl<S, A, B> Service<Request<B>> for WithClient<S, A>
where
    S: Service<Request<B>>,
    A: Clone + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[cfg_attr(
        not(feature = "axum"),
        expect(unused_mut, reason = "it is axum that has a name for it")
    )]
    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let from = self.from.clone();
        #[cfg(feature = "axum")]
        request.extensions_mut().insert(axum::extract::ConnectInfo(from));
        #[cfg(not(feature = "axum"))]
        drop(from);
        self.inner.call(request)
    }
}

/// What accepts connections, for [`serve()`]: tokio's listeners, and one's own, such as one with TLS.
pub trait Listener: Send {
    /// A connection.
    type Io: AsyncRead + AsyncWrite + Unpin + Send + 'static;
    /// Where it comes from.
    type Address: Clone + Send + Sync + 'static;

    /// The next connection.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no connection is lost.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Io, Self::Address)>> + Send;
}

impl Listener for TcpListener {
    type Io = TcpStream;
    type Address = SocketAddr;

    async fn accept(&mut self) -> io::Result<(TcpStream, SocketAddr)> {
        let (stream, from) = TcpListener::accept(self).await?;
        // Answers are written whole; there is nothing to wait for. (If that fails, the connection has gone, and will say so.)
        let _ = stream.set_nodelay(true);
        Ok((stream, from))
    }
}

#[cfg(unix)]
impl Listener for tokio::net::UnixListener {
    type Io = tokio::net::UnixStream;
    type Address = std::sync::Arc<tokio::net::unix::SocketAddr>;

    async fn accept(&mut self) -> io::Result<(Self::Io, Self::Address)> {
        let (stream, from) = tokio::net::UnixListener::accept(self).await?;
        Ok((stream, std::sync::Arc::new(from)))
    }
}
