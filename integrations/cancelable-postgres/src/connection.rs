//! `Connection`: what is wrapped, a client or a pool's. A leaf.

use tokio_postgres::Client;

/// What has a client of tokio-postgres: the client itself, or what a pool hands out.
///
/// For a pool other than deadpool's (feature `deadpool`), implement it for a type of yours with the pool's guard inside:
///
/// ```
/// use cancelable_postgres::Connection;
/// use tokio_postgres::Client;
///
/// struct Pooled(Box<Client>);                 // in place of `Box`, your pool's guard
///
/// impl Connection for Pooled {
///     fn client(&self) -> &Client {
///         &self.0
///     }
///     fn close(self) {
///         // Not back into the pool.
///     }
/// }
/// ```
pub trait Connection: Send + Sync + 'static {
    /// The client.
    fn client(&self) -> &Client;

    /// Closes the connection; in a pool, nobody may get it any more. It is called when a query on it could not be cancelled. In
    /// all other cases what implements this is dropped.
    fn close(self);
}

/// It is dropped to close it; its [`tokio_postgres::Connection`] ends when the server has answered, or the socket is closed.
impl Connection for Client {
    fn client(&self) -> &Client {
        self
    }

    fn close(self) {}
}

/// It is taken out of its pool.
#[cfg(feature = "deadpool")]
impl Connection for deadpool_postgres::Object {
    fn client(&self) -> &Client {
        self
    }

    fn close(self) {
        drop(Self::take(self));
    }
}
