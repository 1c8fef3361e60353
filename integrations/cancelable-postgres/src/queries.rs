//! The queries that a client and a transaction have alike, by the names that tokio-postgres has for them.

/// Defines them in an `impl` of a type that has a `session(&mut self)`.
macro_rules! queries {
    ($C:ident) => {
        /// Runs a query and returns its rows, as [`tokio_postgres::Client::query`].
        ///
        /// # Errors
        ///
        /// [`Error::Cancelled`] if the scope is cancelled before the query is over, or what the server says.
        #[track_caller]
        pub fn query<T: ?Sized + ToStatement>(
            &mut self,
            statement: &T,
            params: &[&(dyn ToSql + Sync)],
        ) -> impl Future<Output = Result<Vec<Row>, Error>> {
            let (session, shared, listener) = self.parts();
            session.run(Kind::Query, listener, async move {
                shared.client().query(statement, params).await
            })
        }

        /// Runs a query and returns its only row, as [`tokio_postgres::Client::query_one`].
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query); and if there is another number of rows than one.
        #[track_caller]
        pub fn query_one<T: ?Sized + ToStatement>(
            &mut self,
            statement: &T,
            params: &[&(dyn ToSql + Sync)],
        ) -> impl Future<Output = Result<Row, Error>> {
            let (session, shared, listener) = self.parts();
            session.run(Kind::Query, listener, async move {
                shared.client().query_one(statement, params).await
            })
        }

        /// Runs a query and returns its row, if there is one, as [`tokio_postgres::Client::query_opt`].
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query); and if there are more rows than one.
        #[track_caller]
        pub fn query_opt<T: ?Sized + ToStatement>(
            &mut self,
            statement: &T,
            params: &[&(dyn ToSql + Sync)],
        ) -> impl Future<Output = Result<Option<Row>, Error>> {
            let (session, shared, listener) = self.parts();
            session.run(Kind::Query, listener, async move {
                shared.client().query_opt(statement, params).await
            })
        }

        /// Runs a query and returns its rows as a stream, as [`tokio_postgres::Client::query_raw`]. The connection is the stream's
        /// until it is dropped; dropped before its end, it ends the query.
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query).
        #[track_caller]
        pub fn query_raw<T, P, I>(
            &mut self,
            statement: &T,
            params: I,
        ) -> impl Future<Output = Result<RowStream<'_, $C>, Error>>
        where
            T: ?Sized + ToStatement,
            P: BorrowToSql,
            I: IntoIterator<Item = P>,
            I::IntoIter: ExactSizeIterator,
        {
            let (session, shared, listener) = self.parts();
            RowStream::begin(session, listener, async move {
                shared.client().query_raw(statement, params).await
            })
        }

        /// Runs a statement and returns the number of rows that it has changed, as [`tokio_postgres::Client::execute`].
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query).
        #[track_caller]
        pub fn execute<T: ?Sized + ToStatement>(
            &mut self,
            statement: &T,
            params: &[&(dyn ToSql + Sync)],
        ) -> impl Future<Output = Result<u64, Error>> {
            let (session, shared, listener) = self.parts();
            session.run(Kind::Query, listener, async move {
                shared.client().execute(statement, params).await
            })
        }

        /// Runs several statements, as [`tokio_postgres::Client::batch_execute`]. The server is not told of the time limit, for the text may
        /// begin or end a transaction.
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query).
        #[track_caller]
        pub fn batch_execute(&mut self, statements: &str) -> impl Future<Output = Result<(), Error>> {
            let (session, shared, listener) = self.parts();
            session.run(Kind::Text, listener, async move {
                shared.client().batch_execute(statements).await
            })
        }

        /// Runs several statements and returns what they answer, as [`tokio_postgres::Client::simple_query`]. The server is not told of
        /// the time limit, for the text may begin or end a transaction.
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query).
        #[track_caller]
        pub fn simple_query(
            &mut self,
            statements: &str,
        ) -> impl Future<Output = Result<Vec<SimpleQueryMessage>, Error>> {
            let (session, shared, listener) = self.parts();
            session.run(Kind::Text, listener, async move {
                shared.client().simple_query(statements).await
            })
        }

        /// Prepares a statement, as [`tokio_postgres::Client::prepare`].
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query).
        #[track_caller]
        pub fn prepare(&mut self, statement: &str) -> impl Future<Output = Result<Statement, Error>> {
            self.prepare_typed(statement, &[])
        }

        /// Prepares a statement with parameters of given types, as [`tokio_postgres::Client::prepare_typed`].
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query).
        #[track_caller]
        pub fn prepare_typed(
            &mut self,
            statement: &str,
            types: &[Type],
        ) -> impl Future<Output = Result<Statement, Error>> {
            let (session, shared, listener) = self.parts();
            session.run(Kind::Query, listener, async move {
                shared.client().prepare_typed(statement, types).await
            })
        }

        /// Runs a `COPY … FROM STDIN` and returns a sink for its data, as [`tokio_postgres::Client::copy_in`]. The connection is
        /// the sink's until it is dropped; dropped before it is [finished](CopyInSink::finish), it ends the `COPY`, and nothing is
        /// stored.
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query).
        #[track_caller]
        pub fn copy_in<T, U>(&mut self, statement: &T) -> impl Future<Output = Result<CopyInSink<'_, $C, U>, Error>>
        where
            T: ?Sized + ToStatement,
            U: Buf + Send + 'static,
        {
            let (session, shared, listener) = self.parts();
            CopyInSink::begin(session, listener, async move {
                shared.client().copy_in(statement).await
            })
        }

        /// Runs a `COPY … TO STDOUT` and returns its data as a stream, as [`tokio_postgres::Client::copy_out`]. The connection is
        /// the stream's until it is dropped; dropped before its end, it ends the `COPY`.
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query).
        #[track_caller]
        pub fn copy_out<T: ?Sized + ToStatement>(
            &mut self,
            statement: &T,
        ) -> impl Future<Output = Result<CopyOutStream<'_, $C>, Error>> {
            let (session, shared, listener) = self.parts();
            CopyOutStream::begin(session, listener, async move {
                shared.client().copy_out(statement).await
            })
        }

        /// Runs what else tokio-postgres, or the pool, can do, as one query that is cancelled as a whole: several at once, a
        /// statement from the pool's cache, a type of parameters of its own.
        ///
        /// Cancelled, what it has sent is ended, and what it sends after that. It has to return what it has read: no stream, and no
        /// transaction is left open.
        ///
        /// # Errors
        ///
        /// As [`query`](Self::query).
        ///
        /// ```no_run
        /// # use cancelable_postgres::{CancelableClient, Error};
        /// # use tokio_postgres::Client;
        /// # async fn both(client: &mut CancelableClient<Client>) -> Result<(), Error> {
        /// let (orders, users) = client
        ///     .run(async |client: &Client| {
        ///         futures::try_join!(
        ///             client.query_one("SELECT count(*) FROM orders", &[]),
        ///             client.query_one("SELECT count(*) FROM users", &[]),
        ///         )
        ///     })
        ///     .await?;
        /// # Ok(())
        /// # }
        /// ```
        #[track_caller]
        pub fn run<T>(
            &mut self,
            queries: impl AsyncFnOnce(&$C) -> Result<T, tokio_postgres::Error>,
        ) -> impl Future<Output = Result<T, Error>> {
            let (session, shared, listener) = self.parts();
            session.run(Kind::Several, listener, async move {
                queries(shared.connection()).await
            })
        }

        #[track_caller]
        fn parts(&mut self) -> (&mut Session<$C>, Arc<Shared<$C>>, Listener) {
            let listener = listen();
            let session = self.session();
            let shared = Arc::clone(session.shared());
            (session, shared, listener)
        }
    };
}

pub(crate) use queries;
