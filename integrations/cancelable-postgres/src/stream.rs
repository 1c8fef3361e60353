//! `CancelStream`: the socket of a cancel request, which comes back when tokio-postgres has dropped it. A leaf.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Socket for S {}

/// The stream that a cancel request goes over. TLS connectors have to take it: those of tokio-postgres-rustls, postgres-native-tls
/// and postgres-openssl take any stream.
pub struct CancelStream {
    // `None` once its destructor runs.
    socket: Option<Box<dyn Socket>>,
    back: Option<oneshot::Sender<Box<dyn Socket>>>,
}

impl CancelStream {
    /// And where the socket comes back.
    pub(crate) fn new(socket: Box<dyn Socket>) -> (Self, oneshot::Receiver<Box<dyn Socket>>) {
        let (back, returned) = oneshot::channel();
        let stream = Self {
            socket: Some(socket),
            back: Some(back),
        };
        (stream, returned)
    }

    fn socket(&mut self) -> Pin<&mut dyn Socket> {
        match &mut self.socket {
            Some(socket) => Pin::new(&mut **socket),
            None => unreachable!("only its destructor takes it"),
        }
    }
}

impl Drop for CancelStream {
    fn drop(&mut self) {
        if let (Some(socket), Some(back)) = (self.socket.take(), self.back.take()) {
            let _ = back.send(socket);
        }
    }
}

impl AsyncRead for CancelStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_read(cx, buf)
    }
}

impl AsyncWrite for CancelStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.socket().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket().poll_shutdown(cx)
    }
}

impl fmt::Debug for CancelStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelStream").finish_non_exhaustive()
    }
}
