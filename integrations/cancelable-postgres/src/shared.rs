//! `Shared`: a connection that is closed rather than given back, unless nothing is left to happen on it.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use tokio::runtime::Handle;
use tokio_postgres::Client;

use crate::canceller::Canceller;
use crate::connection::Connection;

/// What a [`CancelableClient`](crate::CancelableClient) and the task that cleans up behind it have together. The last of them to
/// go gives the connection back, to its pool.
pub(crate) struct Shared<C: Connection> {
    // `None` once its destructor runs.
    connection: Option<C>,
    /// What has begun on it, and has not been seen to end.
    unsettled: AtomicUsize,
    pub(crate) canceller: Canceller,
    pub(crate) runtime: Handle,
}

/// An answer to what was sent before the query: all that came earlier is over.
pub(crate) type Barrier = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<C: Connection> Shared<C> {
    pub(crate) fn new(connection: C, canceller: Canceller, runtime: Handle) -> Self {
        Self {
            connection: Some(connection),
            unsettled: AtomicUsize::new(0),
            canceller,
            runtime,
        }
    }

    pub(crate) fn connection(&self) -> &C {
        match &self.connection {
            Some(connection) => connection,
            None => unreachable!("only its destructor takes it"),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        self.connection().client()
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.unsettled.load(Ordering::Acquire) == 0
    }

    /// A round trip ahead of a query: with this statement, or empty. Whatever it answers.
    pub(crate) fn barrier(self: &Arc<Self>, statement: Option<String>) -> Barrier {
        let shared = Arc::clone(self);
        Box::pin(async move {
            let _ = match statement {
                Some(statement) => shared.client().batch_execute(&statement).await,
                None => shared.client().check_connection().await,
            };
        })
    }

    /// Sends a statement, and does not wait for its answer. (tokio-postgres sends what is polled once.)
    pub(crate) fn send(&self, statement: &str) {
        let cx = &mut Context::from_waker(Waker::noop());
        let _ = pin!(self.client().batch_execute(statement)).poll(cx);
    }
}

impl<C: Connection> Drop for Shared<C> {
    fn drop(&mut self) {
        let is_settled = self.is_settled();
        if let Some(connection) = self.connection.take().filter(|_| !is_settled) {
            connection.close();
        }
    }
}

/// Something has begun on a connection. As long as it is not [`settled`](Unsettled::settled), which may be never, nobody else gets
/// that connection.
pub(crate) struct Unsettled<C: Connection>(Arc<Shared<C>>);

impl<C: Connection> Unsettled<C> {
    pub(crate) fn new(shared: &Arc<Shared<C>>) -> Self {
        shared.unsettled.fetch_add(1, Ordering::Release);
        Self(Arc::clone(shared))
    }

    pub(crate) fn shared(&self) -> &Shared<C> {
        &self.0
    }

    pub(crate) fn settled(self) {
        self.0.unsettled.fetch_sub(1, Ordering::Release);
    }
}
