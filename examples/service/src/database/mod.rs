//! The database: PostgreSQL, or SQLite in this process. A query ends with the scope that it runs in.

mod postgres;
mod sqlite;

use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::mpsc;

use crate::error::Error;
use crate::stats::Stats;

pub(crate) use postgres::Connect;

use postgres::Postgres;
use sqlite::Sqlite;

/// One of both. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Database {
    Postgres(Postgres),
    Sqlite(Sqlite),
}

impl Database {
    /// What is at that address, which has to answer; SQLite, if there is none.
    pub(crate) async fn open(at: Option<&Connect>, stats: &Stats) -> Result<Self, Error> {
        Ok(match at {
            Some(at) => Self::Postgres(at.open(stats).await?),
            None => Self::Sqlite(Sqlite::new(stats)),
        })
    }

    /// A query that takes so long.
    pub(crate) async fn wait(&self, time: Duration) -> Result<(), Error> {
        match self {
            Self::Postgres(postgres) => postgres.wait(time).await,
            Self::Sqlite(sqlite) => sqlite.wait(time).await,
        }
    }

    /// A query for the numbers from 1 to n, one a millisecond, each sent as a line as soon as it is there. It returns before if nobody
    /// receives any more.
    pub(crate) async fn rows(&self, n: u32, lines: mpsc::Sender<Bytes>) -> Result<(), Error> {
        match self {
            Self::Postgres(postgres) => postgres.rows(n, &lines).await,
            Self::Sqlite(sqlite) => sqlite.rows(n, lines).await,
        }
    }
}
