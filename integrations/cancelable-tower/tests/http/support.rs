//! A server, clients, and what both tell.

use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use cancelable::{CancelReason, CancellationToken, Cancelled, cancelable};
use cancelable_tower::{CancelLayer, Drained, RequestEnd, Requests, serve};
use futures::Stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

/// No test waits so long.
pub(crate) const FOR_EVER: Duration = Duration::from_secs(100_000);

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Requests,
    pub(crate) ends: UnboundedReceiver<RequestEnd>,
    /// Stops it.
    pub(crate) stop: CancellationToken,
    /// Ends the drain.
    pub(crate) force: CancellationToken,
    pub(crate) drained: JoinHandle<Drained>,
}

impl Server {
    pub(crate) async fn start(layer: CancelLayer, router: Router) -> Self {
        Self::draining(layer, router, FOR_EVER, FOR_EVER).await
    }

    pub(crate) async fn draining(layer: CancelLayer, router: Router, run_for: Duration, grace: Duration) -> Self {
        let (ended, ends) = unbounded_channel();
        let layer = layer.on_end(move |end| ended.send(end.clone()).unwrap_or_default());
        let requests = layer.all().clone();
        Self::serve(router.layer(layer), requests, ends, run_for, grace).await
    }

    pub(crate) async fn serve(
        router: Router,
        requests: Requests,
        ends: UnboundedReceiver<RequestEnd>,
        run_for: Duration,
        grace: Duration,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, force) = (CancellationToken::new(), CancellationToken::new());
        let serving = serve(listener, router)
            .requests(&requests)
            .run_for(run_for)
            .grace(grace)
            .force(force.clone())
            .until(stop.clone());
        Self {
            address,
            requests,
            ends,
            stop,
            force,
            drained: tokio::spawn(serving),
        }
    }

    pub(crate) async fn send(&self, text: &str) -> Client {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        Client {
            stream,
            received: Vec::new(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Client {
        self.get_with(path, "").await
    }

    /// With more headers, each with its line's end.
    pub(crate) async fn get_with(&self, path: &str, headers: &str) -> Client {
        self.send(&format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{headers}\r\n"
        ))
        .await
    }

    pub(crate) async fn end(&mut self) -> RequestEnd {
        self.ends.recv().await.expect("a request that ends")
    }

    /// Until the server has heard of what clients did before. (It has one thread, and hears things in their order.)
    pub(crate) async fn settled(&mut self) {
        assert_eq!(self.get("/settled").await.answer().await.status, 404);
        assert_eq!(self.end().await.path(), "/settled");
    }

    pub(crate) fn no_end(&mut self) {
        assert!(self.ends.try_recv().is_err(), "it should go on");
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel_with(CancelReason::signal(15));
    }
}

pub(crate) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What a client got.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Client {
    pub(crate) async fn more(&mut self) -> usize {
        self.stream.read_buf(&mut self.received).await.unwrap_or(0)
    }

    /// Until it has received this.
    pub(crate) async fn until(&mut self, text: &str) {
        while !String::from_utf8_lossy(&self.received).contains(text) {
            assert_ne!(
                self.more().await,
                0,
                "no {text:?}, but {:?}",
                String::from_utf8_lossy(&self.received)
            );
        }
    }

    /// All, until the connection is closed.
    pub(crate) async fn rest(mut self) -> String {
        while self.more().await != 0 {}
        String::from_utf8(self.received).unwrap()
    }

    pub(crate) async fn answer(self) -> Answer {
        let text = self.rest().await;
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer, but {text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: head.to_lowercase(),
            body: body.to_owned(),
        }
    }
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
    pub(crate) fn is_there(&self) -> bool {
        !self.0.is_closed()
    }

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
pub(crate) fn work() -> Result<(), Cancelled> {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n + 1);
    }
}

/// A worker on a thread for blocking work, which says how it ended.
pub(crate) fn worker(log: &Log) -> JoinHandle<Result<(), Cancelled>> {
    let log = log.clone();
    cancelable::tokio::spawn_blocking(move || {
        log.say("working");
        let worked = work();
        log.say(worked.as_ref().unwrap_err().reason());
        worked
    })
}

/// Bytes that a test sends one after the other.
pub(crate) fn channel() -> (
    UnboundedSender<Bytes>,
    impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
) {
    let (sender, receiver) = unbounded_channel();
    let stream = futures::stream::unfold(receiver, |mut receiver: UnboundedReceiver<Bytes>| async {
        let bytes = receiver.recv().await?;
        Some((Ok(bytes), receiver))
    });
    (sender, stream)
}

/// Hands a value to a handler, which may be called once.
pub(crate) struct Once<T>(Mutex<Option<T>>);

impl<T> Once<T> {
    pub(crate) fn new(value: T) -> std::sync::Arc<Self> {
        std::sync::Arc::new(Self(Mutex::new(Some(value))))
    }

    pub(crate) fn take(&self) -> T {
        self.0.lock().unwrap().take().expect("to be called once")
    }
}
