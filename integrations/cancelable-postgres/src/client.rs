//! `CancelableClient`.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Buf;
use tokio_postgres::types::{BorrowToSql, ToSql, Type};
use tokio_postgres::{Row, SimpleQueryMessage, Statement, ToStatement};

use crate::canceller::Canceller;
use crate::connection::Connection;
use crate::error::Error;
use crate::ongoing::{CopyInSink, CopyOutStream, RowStream};
use crate::queries::queries;
use crate::session::{Kind, Listener, Session, listen};
use crate::shared::Shared;
use crate::transaction::{Transaction, TransactionBuilder};

/// A client of tokio-postgres, or a pool's, whose queries end with their scope; made by [`Canceller::wrap`].
///
/// Each method is a check point. Under a scope that is cancelled, a query is cancelled on the server, and the method returns when
/// that has ended it, and nothing is left that could hit the next one. What is done in that moment is done: its result is returned.
///
/// A future, or a stream, that is dropped half-way (by `select!`, a timeout, the end of a task) has the same done by a task of the
/// runtime. Meanwhile the connection is not in its pool, and the next query of this client waits for it.
///
/// One query at a time: the methods take `&mut self`, for a cancel request does not say which query it means, and would hit a
/// neighbour's. What is to run at once, and to be cancelled at once, is a [`run`](Self::run).
pub struct CancelableClient<C: Connection> {
    session: Session<C>,
}

impl Canceller {
    /// Wraps a client, or what a pool has handed out. When that is dropped, the client goes back; but not before nothing runs on it.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime. It has to be one with I/O enabled.
    #[must_use]
    pub fn wrap<C: Connection>(&self, connection: C) -> CancelableClient<C> {
        CancelableClient {
            session: Session::new(connection, self.clone()),
        }
    }
}

impl<C: Connection> CancelableClient<C> {
    queries!(C);

    /// Begins a transaction, as [`tokio_postgres::Client::transaction`].
    ///
    /// Not by a statement of your own: its rollback would bring back the time limit that the server had been told of.
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    #[track_caller]
    pub fn transaction(&mut self) -> impl Future<Output = Result<Transaction<'_, C>, Error>> {
        self.build_transaction().start()
    }

    /// Begins a transaction with settings, as [`tokio_postgres::Client::build_transaction`].
    pub fn build_transaction(&mut self) -> TransactionBuilder<'_, C> {
        TransactionBuilder::new(&mut self.session)
    }

    fn session(&mut self) -> &mut Session<C> {
        &mut self.session
    }
}

impl<C: Connection> fmt::Debug for CancelableClient<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelableClient").finish_non_exhaustive()
    }
}
