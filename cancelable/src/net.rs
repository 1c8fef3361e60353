//! Accept loops of the standard library's listeners that a cancel ends. Feature `net`; Unix and Windows.
//!
//! `listener.incoming()` blocks in `accept`, and nothing wakes it but the next connection. [`incoming`] waits for a connection or for a
//! cancel, whichever comes first. It polls nothing, and sleeps in between.
//!
//! In tokio and smol nothing of this is needed: `listener.accept().await` in an annotated function is ended by a cancel, and no connection
//! is lost by that. Only drop the listener before you wait for the connections that are open, or else the system goes on to take
//! new ones for you:
//!
//! ```
//! # #[cfg(feature = "tokio")]
//! # fn main() -> std::io::Result<()> {
//! use cancelable::{Cancelled, Scope, cancelable};
//! use tokio::net::TcpListener;
//!
//! #[cancelable]
//! async fn serve(listener: TcpListener) -> std::io::Result<()> {
//!     loop {
//!         let (stream, _) = listener.accept().await?;
//!         drop(stream);                           // serve it, in a task of a group
//!     }
//! }                                               // the listener is closed here
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.local_addr()?;
//! let ended = Scope::new().timeout(std::time::Duration::from_millis(10)).run(serve(listener)).await;
//! assert!(ended.unwrap_err().get_ref().unwrap().is::<Cancelled>());
//! assert!(tokio::net::TcpStream::connect(address).await.is_err());
//! # Ok(()) })
//! # }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```

use std::fmt;
use std::io::{self, ErrorKind};
use std::iter::FusedIterator;
use std::net::{TcpListener, TcpStream};
use std::panic::Location;
use std::sync::Arc;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::context::{check_at, current};

#[cfg(unix)]
use std::os::unix::net::{UnixListener, UnixStream};

/// The connections to a listener, until the ambient token of whoever takes them is cancelled.
///
/// It is [`TcpListener::incoming`] for code that is to stop. Besides `TcpListener` it takes the `UnixListener` of Unix. Streams block, as
/// those of the standard library do.
///
/// While the iterator is there the listener does not block: do not call `accept` on it, nor on a clone of it, at the same time.
///
/// # Errors
///
/// [`io::Error`], if the listener cannot be made not to block. Of the items: what `accept` says, which may be over soon (no file
/// descriptor is left, a client has gone); and, as the last one, [`Cancelled`](crate::Cancelled) in an [`io::Error`], with the line of
/// this call. A connection that comes at the same time is not taken.
///
/// ```
/// use cancelable::{CancellationToken, cancelable, net, thread};
/// use std::{io, net::{TcpListener, TcpStream}};
///
/// #[cancelable]
/// fn serve(listener: &TcpListener, served: &mut u32) -> io::Result<()> {
///     for stream in net::incoming(listener)? {
///         drop(stream?);                          // serve it, in a thread of a group
///         *served += 1;
///     }
///     Ok(())
/// }
///
/// let listener = TcpListener::bind("127.0.0.1:0").unwrap();
/// let address = listener.local_addr().unwrap();
/// let token = CancellationToken::new();
/// let mut served = 0;
/// let ended = std::thread::scope(|s| {
///     s.spawn(|| {
///         TcpStream::connect(address).unwrap();
///         token.cancel_after(std::time::Duration::from_secs(1));
///     });
///     token.sync_scope(|| serve(&listener, &mut served))
/// });
/// assert!(ended.unwrap_err().to_string().starts_with("cancelled: timed out after 1s"));
/// assert_eq!(served, 1);
/// ```
#[track_caller]
pub fn incoming<L: Listener>(listener: &L) -> io::Result<Incoming<'_, L>> {
    let location = Location::caller();
    let (ring, bell) = bell()?;
    listener.do_not_block(true)?;
    Ok(Incoming {
        listener,
        ring: Arc::new(ring),
        bell,
        location,
        is_over: false,
    })
}

/// Connections until a cancel; made by [`incoming`].
#[must_use = "iterators do nothing unless asked for items"]
pub struct Incoming<'a, L: Listener> {
    listener: &'a L,
    /// What a cancel writes to, and what is read of it.
    ring: Arc<Bell>,
    bell: Bell,
    location: &'static Location<'static>,
    is_over: bool,
}

impl<L: Listener> Incoming<'_, L> {
    fn accept(&self) -> io::Result<L::Stream> {
        let token = current();
        let mut waking = None;
        loop {
            check_at(self.location)?;
            match self.listener.accept_stream() {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                accepted => return accepted,
            }
            // Only one that has to wait pays for it. Registered before the wait: a cancel that has come since the check is seen.
            waking.get_or_insert_with(|| {
                let ring = Arc::clone(&self.ring);
                token.on_cancel(move |_| ring.ring())
            });
            self.wait(token.look_at())?;
        }
    }

    /// Waits for a connection or the bell; at most until `at`.
    fn wait(&self, at: Option<Instant>) -> io::Result<()> {
        let mut fds = [
            PollFd::new(self.listener, PollFlags::IN),
            PollFd::new(&self.bell, PollFlags::IN),
        ];
        let left = at.map(|at| at.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        match poll(&mut fds, left.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        self.bell.silence();
        Ok(())
    }
}

impl<L: Listener> Iterator for Incoming<'_, L> {
    type Item = io::Result<L::Stream>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let accepted = self.accept();
        self.is_over = accepted.is_err() && check_at(self.location).is_err();
        Some(accepted)
    }
}

impl<L: Listener> FusedIterator for Incoming<'_, L> {}

/// The listener blocks again.
impl<L: Listener> Drop for Incoming<'_, L> {
    fn drop(&mut self) {
        // If the system refuses it, whoever calls `accept` hears of that.
        drop(self.listener.do_not_block(false));
    }
}

impl<L: Listener> fmt::Debug for Incoming<'_, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming")
            .field("is_over", &self.is_over)
            .finish_non_exhaustive()
    }
}

#[cfg(unix)]
type Bell = UnixStream;

#[cfg(unix)]
fn bell() -> io::Result<(Bell, Bell)> {
    let (ring, bell) = UnixStream::pair()?;
    ring.set_nonblocking(true)?;
    bell.set_nonblocking(true)?;
    Ok((ring, bell))
}

/// Windows has no socket pairs. Nothing is told but that something was sent, so it does not matter if others send, too.
#[cfg(windows)]
type Bell = std::net::UdpSocket;

#[cfg(windows)]
fn bell() -> io::Result<(Bell, Bell)> {
    let (ring, bell) = (Bell::bind("127.0.0.1:0")?, Bell::bind("127.0.0.1:0")?);
    ring.connect(bell.local_addr()?)?;
    ring.set_nonblocking(true)?;
    bell.set_nonblocking(true)?;
    Ok((ring, bell))
}

/// What both kinds have in common.
trait Ring {
    fn ring(&self);
    /// It may have been rung for a scope that somebody has left since.
    fn silence(&self);
}

impl Ring for Bell {
    fn ring(&self) {
        // If it is full, it has been rung.
        #[cfg(unix)]
        drop(io::Write::write(&mut &*self, &[0]));
        #[cfg(windows)]
        drop(self.send(&[0]));
    }

    fn silence(&self) {
        #[cfg(unix)]
        drop(io::Read::read(&mut &*self, &mut [0; 8]));
        #[cfg(windows)]
        drop(self.recv(&mut [0; 8]));
    }
}

/// A listener of the standard library, for [`incoming`].
pub trait Listener: sealed::Listener {
    /// A connection.
    type Stream;

    #[doc(hidden)]
    fn do_not_block(&self, is: bool) -> io::Result<()>;

    #[doc(hidden)]
    fn accept_stream(&self) -> io::Result<Self::Stream>;
}

impl Listener for TcpListener {
    type Stream = TcpStream;

    fn do_not_block(&self, is: bool) -> io::Result<()> {
        self.set_nonblocking(is)
    }

    fn accept_stream(&self) -> io::Result<TcpStream> {
        let (stream, _) = self.accept()?;
        // Not on Linux, but on some systems it takes after the listener.
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

#[cfg(unix)]
impl Listener for UnixListener {
    type Stream = UnixStream;

    fn do_not_block(&self, is: bool) -> io::Result<()> {
        self.set_nonblocking(is)
    }

    fn accept_stream(&self) -> io::Result<UnixStream> {
        let (stream, _) = self.accept()?;
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

mod sealed {
    #[cfg(unix)]
    pub trait Listener: std::os::fd::AsFd {}
    #[cfg(windows)]
    pub trait Listener: std::os::windows::io::AsSocket {}

    impl Listener for std::net::TcpListener {}
    #[cfg(unix)]
    impl Listener for std::os::unix::net::UnixListener {}
}
