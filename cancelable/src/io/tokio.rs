//! tokio's traits.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

use super::nonblocking::CheckedAsync;

impl<T: AsyncRead> AsyncRead for CheckedAsync<T> {
    /// Fails once the token is cancelled: before it takes anything, and while it is pending.
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_reading(cx, |inner, cx| inner.poll_read(cx, buffer))
    }
}

impl<T: AsyncBufRead> AsyncBufRead for CheckedAsync<T> {
    /// As `poll_read`.
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.poll_reading(cx, |inner, cx| inner.poll_fill_buf(cx))
    }

    /// Never fails.
    fn consume(self: Pin<&mut Self>, amount: usize) {
        self.pinned().consume(amount);
    }
}

impl<T: AsyncWrite> AsyncWrite for CheckedAsync<T> {
    /// Fails once the token is cancelled, but not half-way through a message: see [`checked_async`](super::checked_async).
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_writing(cx, |inner, cx| inner.poll_write(cx, buffer))
    }

    /// As `poll_write`.
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_writing(cx, |inner, cx| inner.poll_write_vectored(cx, buffers))
    }

    /// As what is inside.
    fn is_write_vectored(&self) -> bool {
        self.get_ref().is_write_vectored()
    }

    /// The end of a message. Fails by a cancel only where writes may be cut.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ending(cx, |inner, cx| inner.poll_flush(cx))
    }

    /// As `poll_flush`.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_ending(cx, |inner, cx| inner.poll_shutdown(cx))
    }
}
