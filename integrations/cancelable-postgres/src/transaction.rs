//! `Transaction`.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bytes::Buf;
use tokio_postgres::types::{BorrowToSql, ToSql, Type};
use tokio_postgres::{IsolationLevel, Row, SimpleQueryMessage, Statement, ToStatement};

use crate::connection::Connection;
use crate::error::Error;
use crate::ongoing::{CopyInSink, CopyOutStream, RowStream};
use crate::queries::queries;
use crate::session::{Kind, Listener, Session, listen};
use crate::shared::Shared;

/// A transaction, or a savepoint within one. Dropped without [`commit`](Self::commit), it is rolled back, as that of tokio-postgres:
/// so a function that fails, because it is cancelled or for another reason, leaves nothing behind.
///
/// A cancelled query fails the transaction on the server, as every error does. A savepoint round it keeps the rest.
pub struct Transaction<'a, C: Connection> {
    session: &'a mut Session<C>,
    savepoint: Option<String>,
    is_done: bool,
}

impl<'a, C: Connection> Transaction<'a, C> {
    pub(crate) async fn begin(session: &'a mut Session<C>, listener: Listener, begin: String) -> Result<Self, Error> {
        let mut transaction = Self {
            session,
            savepoint: None,
            // Until something is sent.
            is_done: true,
        };
        let Self { session, is_done, .. } = &mut transaction;
        let shared = Arc::clone(session.shared());
        let started = session.run(Kind::Begin, listener, async {
            // Dropped from now on, it is rolled back.
            *is_done = false;
            shared.client().batch_execute(&begin).await
        });
        started.await?;
        transaction.session.transactions = 1;
        transaction.session.may_have_failed = false;
        Ok(transaction)
    }

    queries!(C);

    /// Commits the transaction, or releases the savepoint.
    ///
    /// Once it has begun, the scope's end cancels it as any other query; and if it was done before, it was done. Dropped half-way, as
    /// by a `select!`, or a scope whose grace is over, it leaves open which.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`]: it is rolled back. Or what the server says; also that the transaction has failed before, since a query
    /// in it was cancelled.
    #[track_caller]
    pub fn commit(self) -> impl Future<Output = Result<(), Error>> {
        let statement = match &self.savepoint {
            Some(name) => format!("RELEASE {name}"),
            None => "COMMIT".to_owned(),
        };
        self.end(listen(), statement, true)
    }

    /// Rolls the transaction back, or to the savepoint, and waits for it. Not a check point.
    ///
    /// # Errors
    ///
    /// What the server says.
    #[track_caller]
    pub fn rollback(self) -> impl Future<Output = Result<(), Error>> {
        let statement = self.roll_back();
        cancelable::shield(self.end(listen(), statement, false))
    }

    /// Sets a savepoint, within which queries may fail without the transaction, as [`tokio_postgres::Transaction::transaction`].
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    #[track_caller]
    pub fn transaction(&mut self) -> impl Future<Output = Result<Transaction<'_, C>, Error>> {
        let name = format!("sp_{}", self.session.transactions);
        self.savepoint(name)
    }

    /// Sets a savepoint with a name, as [`tokio_postgres::Transaction::savepoint`].
    ///
    /// # Errors
    ///
    /// As [`query`](Self::query).
    #[track_caller]
    pub fn savepoint(&mut self, name: impl Into<String>) -> impl Future<Output = Result<Transaction<'_, C>, Error>> {
        let name = name.into();
        let (session, shared, listener) = self.parts();
        async move {
            let statement = format!("SAVEPOINT {name}");
            let started = session.run(Kind::Query, listener, async {
                shared.client().batch_execute(&statement).await
            });
            started.await?;
            session.transactions += 1;
            Ok(Transaction {
                session,
                savepoint: Some(name),
                is_done: false,
            })
        }
    }

    fn session(&mut self) -> &mut Session<C> {
        self.session
    }

    fn roll_back(&self) -> String {
        match &self.savepoint {
            Some(name) => format!("ROLLBACK TO {name}"),
            None => "ROLLBACK".to_owned(),
        }
    }

    async fn end(mut self, listener: Listener, statement: String, commits: bool) -> Result<(), Error> {
        let Self { session, is_done, .. } = &mut self;
        let asks = commits && session.may_have_failed;
        let shared = Arc::clone(session.shared());
        let ended = session.run(Kind::Query, listener, async {
            if asks {
                // An error, if it has failed. To `COMMIT` the server says only "ROLLBACK", and tokio-postgres calls it a success.
                shared.client().batch_execute("SELECT").await?;
            }
            shared.client().batch_execute(&statement).await
        });
        ended.await?;
        *is_done = true;
        Ok(())
    }
}

impl<C: Connection> Drop for Transaction<'_, C> {
    fn drop(&mut self) {
        let rollback = self.roll_back();
        self.session.end(self.is_done, rollback);
    }
}

impl<C: Connection> fmt::Debug for Transaction<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("savepoint", &self.savepoint)
            .finish_non_exhaustive()
    }
}

/// Settings of a transaction, as [`tokio_postgres::TransactionBuilder`].
#[must_use = "it begins nothing until it is started"]
pub struct TransactionBuilder<'a, C: Connection> {
    session: &'a mut Session<C>,
    begin: String,
}

impl<'a, C: Connection> TransactionBuilder<'a, C> {
    pub(crate) fn new(session: &'a mut Session<C>) -> Self {
        let begin = "START TRANSACTION".to_owned();
        Self { session, begin }
    }

    /// Sets its isolation level.
    pub fn isolation_level(self, level: IsolationLevel) -> Self {
        self.with(match level {
            IsolationLevel::ReadUncommitted => "ISOLATION LEVEL READ UNCOMMITTED",
            IsolationLevel::RepeatableRead => "ISOLATION LEVEL REPEATABLE READ",
            IsolationLevel::Serializable => "ISOLATION LEVEL SERIALIZABLE",
            _ => "ISOLATION LEVEL READ COMMITTED",
        })
    }

    /// Sets its access mode.
    pub fn read_only(self, is_read_only: bool) -> Self {
        self.with(if is_read_only { "READ ONLY" } else { "READ WRITE" })
    }

    /// Sets whether it may wait until it can run without fear of a serialization failure, if it is serializable and read only.
    pub fn deferrable(self, is_deferrable: bool) -> Self {
        self.with(if is_deferrable { "DEFERRABLE" } else { "NOT DEFERRABLE" })
    }

    /// Begins it.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] if the scope is cancelled, or what the server says.
    #[track_caller]
    pub fn start(self) -> impl Future<Output = Result<Transaction<'a, C>, Error>> {
        Transaction::begin(self.session, listen(), self.begin)
    }

    /// The last of a kind counts.
    fn with(mut self, mode: &str) -> Self {
        self.begin.push(' ');
        self.begin.push_str(mode);
        self
    }
}

impl<C: Connection> fmt::Debug for TransactionBuilder<'_, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TransactionBuilder").field(&self.begin).finish()
    }
}
