//! PostgreSQL: a pool of connections, and queries that the server ends with their scope.

use std::str::FromStr;
use std::time::Duration;

use axum::body::Bytes;
use cancelable::cancelable;
use cancelable_postgres::{BadConfig, CancelableClient, Canceller};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio::sync::mpsc;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage};

use crate::error::{Error, told};
use crate::stats::Stats;

/// Connections of one process.
const CONNECTIONS: usize = 16;

/// How long one may take to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Rows that are fetched at once: as many milliseconds pass before a client sees the first of them.
const FETCHED: u32 = 5;

/// Where a database is, from the command line.
#[derive(Clone, Debug)]
pub(crate) struct Connect {
    config: Config,
    canceller: Canceller,
}

/// Why an address is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadDatabase {
    #[error("write postgres://USER@HOST/DATABASE")]
    Scheme,
    #[error("{}", told(.0))]
    Url(#[from] tokio_postgres::Error),
    #[error(transparent)]
    Config(#[from] BadConfig),
}

impl FromStr for Connect {
    type Err = BadDatabase;

    fn from_str(url: &str) -> Result<Self, BadDatabase> {
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Err(BadDatabase::Scheme);
        }
        let mut config: Config = url.parse()?;
        if config.get_application_name().is_none() {
            config.application_name("service");
        }
        config.connect_timeout(CONNECT);
        Ok(Self {
            canceller: Canceller::new(&config, NoTls)?,
            config,
        })
    }
}

impl Connect {
    /// A pool of its connections, of which there is one.
    pub(crate) async fn open(&self, stats: &Stats) -> Result<Postgres, Error> {
        // One round trip more, and no request meets a connection that the server has closed in the meantime.
        let recycle = ManagerConfig {
            recycling_method: RecyclingMethod::Verified,
        };
        let pool = Pool::builder(Manager::from_config(self.config.clone(), NoTls, recycle))
            .max_size(CONNECTIONS)
            .runtime(Runtime::Tokio1)
            .create_timeout(Some(CONNECT))
            .build()
            .expect("a pool with a time limit has a runtime");
        let postgres = Postgres {
            pool,
            canceller: self.canceller.clone(),
            stats: stats.clone(),
        };
        postgres.client().await?;
        Ok(postgres)
    }
}

/// A pool, and where its queries are cancelled. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Postgres {
    pool: Pool,
    canceller: Canceller,
    stats: Stats,
}

impl Postgres {
    #[cancelable]
    async fn client(&self) -> Result<CancelableClient<Object>, Error> {
        Ok(self.canceller.wrap(self.pool.get().await?))
    }

    #[cancelable]
    pub(crate) async fn wait(&self, time: Duration) -> Result<(), Error> {
        let mut client = self.client().await?;
        self.stats
            .query(async {
                client.query_one("SELECT pg_sleep($1)", &[&time.as_secs_f64()]).await?;
                Ok(())
            })
            .await
    }

    #[cancelable]
    pub(crate) async fn rows(&self, n: u32, lines: &mpsc::Sender<Bytes>) -> Result<(), Error> {
        let mut client = self.client().await?;
        self.stats.query(fetch(&mut client, n, lines)).await
    }
}

/// A cursor: the rows of a plain query come in lumps of 8 kB.
#[cancelable]
async fn fetch(client: &mut CancelableClient<Object>, n: u32, lines: &mpsc::Sender<Bytes>) -> Result<(), Error> {
    let mut transaction = client.build_transaction().read_only(true).start().await?;
    let numbers = format!(
        "DECLARE numbers NO SCROLL CURSOR FOR
         SELECT i, pg_sleep(i * 0.001 - extract(epoch FROM clock_timestamp() - now())::float8)
         FROM (SELECT generate_series(1::bigint, {n}) AS i) AS series"
    );
    transaction.batch_execute(&numbers).await?;
    let next = format!("FETCH {FETCHED} FROM numbers");
    loop {
        let rows = transaction.simple_query(&next).await?;
        let mut rows = rows.iter().filter_map(line).peekable();
        if rows.peek().is_none() {
            break;
        }
        for row in rows {
            if lines.send(row).await.is_err() {
                return Ok(());
            }
        }
    }
    Ok(transaction.commit().await?)
}

fn line(message: &SimpleQueryMessage) -> Option<Bytes> {
    match message {
        SimpleQueryMessage::Row(row) => Some(format!("{}\n", row.get(0)?).into()),
        _ => None,
    }
}
