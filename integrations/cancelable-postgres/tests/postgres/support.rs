//! A pool, a scope, and a look at the server from outside.

use std::future::Future;

use cancelable::{CancelReason, CancellationToken};
use cancelable_postgres::{CancelableClient, Canceller};
use deadpool_postgres::{Manager, Object, Pool};
use tokio::task::yield_now;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::server::Server;

/// Makes a function of this name, which goes on whenever it is cancelled.
pub(crate) fn endless(name: &str) -> String {
    format!(
        "CREATE FUNCTION {name}() RETURNS void AS $$ BEGIN
             LOOP
                 BEGIN
                     PERFORM pg_sleep(100000);
                 EXCEPTION WHEN query_canceled THEN
                 END;
             END LOOP;
         END $$ LANGUAGE plpgsql"
    )
}

/// One pool of one connection, and somebody who looks on.
pub(crate) struct Database {
    pub(crate) pool: Pool,
    pub(crate) canceller: Canceller,
    pub(crate) token: CancellationToken,
    admin: Client,
    name: &'static str,
}

impl Database {
    /// With a table of that name, which is the connections' name as well.
    pub(crate) async fn new(name: &'static str) -> Self {
        let server = Server::shared();
        let config = server.config(name);
        let admin = server.connect("admin").await;
        admin
            .batch_execute(&format!("CREATE TABLE {name} (id int PRIMARY KEY)"))
            .await
            .unwrap();
        let canceller = Canceller::new(&config, NoTls).unwrap();
        let pool = Pool::builder(Manager::new(config, NoTls)).max_size(1).build().unwrap();
        Self {
            pool,
            canceller,
            token: CancellationToken::new(),
            admin,
            name,
        }
    }

    pub(crate) async fn client(&self) -> CancelableClient<Object> {
        self.canceller.wrap(self.pool.get().await.unwrap())
    }

    /// Runs it under the token, and cancels that once the server is at a query whose text has `at`.
    pub(crate) async fn cancel_at<T>(&self, at: &str, work: impl Future<Output = T>) -> T {
        let cancel = async {
            self.until_running(at).await;
            self.token.cancel_with(CancelReason::manual().with_message("enough"));
        };
        futures::join!(self.token.scope(work), cancel).0
    }

    /// The same once the server is within `pg_sleep`.
    pub(crate) async fn cancel_asleep<T>(&self, work: impl Future<Output = T>) -> T {
        let cancel = async {
            self.until_asleep().await;
            self.token.cancel();
        };
        futures::join!(self.token.scope(work), cancel).0
    }

    /// Runs it until the server is at a query whose text has `at`, and drops it.
    pub(crate) async fn drop_at<T>(&self, at: &str, work: impl Future<Output = T>) {
        tokio::select! {
            _ = work => panic!("it should go on"),
            () = self.until_running(at) => {}
        }
    }

    pub(crate) async fn until_asleep(&self) {
        let asleep = "SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND application_name = $1";
        while self.admin.query(asleep, &[&self.name]).await.unwrap().is_empty() {
            yield_now().await;
        }
    }

    pub(crate) async fn until_running(&self, at: &str) {
        while !self.running().await.iter().any(|query| query.contains(at)) {
            yield_now().await;
        }
    }

    /// What the server runs for the pool.
    pub(crate) async fn running(&self) -> Vec<String> {
        let query = "SELECT query FROM pg_stat_activity WHERE state <> 'idle' AND application_name = $1";
        let rows = self.admin.query(query, &[&self.name]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// The rows of the table.
    pub(crate) async fn ids(&self) -> Vec<i32> {
        let query = format!("SELECT id FROM {} ORDER BY id", self.name);
        let rows = self.admin.query(&query, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Who gets the connection next finds it as it was: the same one, at rest, in no transaction, without a time limit.
    pub(crate) async fn check_next(&self) {
        let next = self.pool.get().await.unwrap();
        let state = state(&next).await;
        assert!(state.is_at_rest, "a transaction is open");
        assert_eq!(state.statement_timeout, "0");
        assert_eq!(self.backends().await, [state.backend]);
    }

    /// The server's processes for the pool.
    pub(crate) async fn backends(&self) -> Vec<i32> {
        let query = "SELECT pid FROM pg_stat_activity WHERE application_name = $1";
        let rows = self.admin.query(query, &[&self.name]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(crate) async fn terminate(&self) {
        let query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
        self.admin.query(query, &[&self.name]).await.unwrap();
    }

    pub(crate) async fn ask_to_cancel(&self) {
        let query = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = $1";
        self.admin.query(query, &[&self.name]).await.unwrap();
    }
}

/// What a connection is in, as its server's process says.
pub(crate) struct State {
    pub(crate) backend: i32,
    pub(crate) is_at_rest: bool,
    pub(crate) statement_timeout: String,
}

pub(crate) async fn state(client: &Client) -> State {
    // By the simple protocol: otherwise its own transaction begins before the statement.
    let query = "SELECT pg_backend_pid(), statement_timestamp() = transaction_timestamp(), current_setting('statement_timeout')";
    let answer = client.simple_query(query).await.unwrap();
    let row = answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let column = |n| row.unwrap().get(n).unwrap();
    State {
        backend: column(0).parse().unwrap(),
        is_at_rest: column(1) == "t",
        statement_timeout: column(2).to_owned(),
    }
}
