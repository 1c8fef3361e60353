//! Readers and writers of the standard library.

use std::io::{self, BufRead, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::panic::Location;

use crate::context::check_at;

/// Has a reader or writer ask the ambient token before each call that reads or writes.
///
/// The ambient token is that of the code that makes the call, as it is for every check point. Nothing is lost: a call that fails has
/// read or written nothing. `flush` and `seek` do not ask, so that what has been written gets out.
///
/// Of a `write_all` a part may have been written. Where the whole or nothing is to be written, write to a buffer or to a temporary file
/// first; or check before the writes, and not in them.
///
/// # Errors
///
/// Of the calls: [`Cancelled`](crate::Cancelled), as the inside of an [`io::Error`] of kind `TimedOut`, `ConnectionAborted` or `Other`, and
/// with the line of *this* call. Never `Interrupted`, at which the standard library would try again.
///
/// ```
/// use cancelable::{CancellationToken, io::checked};
/// use std::io::{BufRead as _, BufReader, Read as _};
///
/// let token = CancellationToken::new();
/// let mut lines = checked(BufReader::new(&b"one\ntwo\n"[..])).lines();
/// token.sync_scope(|| {
///     assert_eq!(lines.next().unwrap().unwrap(), "one");
///     token.cancel_with("enough");
///     assert!(lines.next().unwrap().unwrap_err().to_string().starts_with("cancelled: enough"));
/// });
/// assert_eq!(lines.next().unwrap().unwrap(), "two");       // nothing is lost
/// ```
#[track_caller]
pub fn checked<T>(inner: T) -> Checked<T> {
    Checked {
        inner,
        location: Location::caller(),
    }
}

/// A reader or writer whose calls are check points; made by [`checked`].
#[derive(Clone, Debug)]
pub struct Checked<T> {
    inner: T,
    location: &'static Location<'static>,
}

impl<T> Checked<T> {
    /// The reader or writer inside.
    pub fn get_ref(&self) -> &T {
        &self.inner
    }

    /// The reader or writer inside, to be used without checks.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.inner
    }

    /// The reader or writer inside.
    #[must_use]
    pub fn into_inner(self) -> T {
        self.inner
    }

    #[inline]
    fn check(&self) -> io::Result<()> {
        check_at(self.location).map_err(io::Error::from)
    }
}

impl<T: Read> Read for Checked<T> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.check()?;
        self.inner.read(buffer)
    }

    #[inline]
    fn read_vectored(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.check()?;
        self.inner.read_vectored(buffers)
    }
}

impl<T: BufRead> BufRead for Checked<T> {
    #[inline]
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.check()?;
        self.inner.fill_buf()
    }

    #[inline]
    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
    }
}

impl<T: Write> Write for Checked<T> {
    #[inline]
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.check()?;
        self.inner.write(buffer)
    }

    #[inline]
    fn write_vectored(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        self.check()?;
        self.inner.write_vectored(buffers)
    }

    #[inline]
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<T: Seek> Seek for Checked<T> {
    #[inline]
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}
