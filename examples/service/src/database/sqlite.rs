//! SQLite, in memory, in this process: queries block their thread, and SQLite asks between its steps whether to go on.

use std::thread;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use cancelable::{cancelable, is_cancelled};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, ErrorCode};
use tokio::sync::mpsc;

use crate::error::Error;
use crate::stats::Stats;

/// Cheap to clone. There is nothing in the database, so each query has one of its own, and none waits for another.
#[derive(Clone)]
pub(crate) struct Sqlite {
    stats: Stats,
}

impl Sqlite {
    pub(crate) fn new(stats: &Stats) -> Self {
        Self { stats: stats.clone() }
    }

    #[cancelable]
    pub(crate) async fn wait(&self, time: Duration) -> Result<(), Error> {
        self.run(move |database| wait(database, time)).await
    }

    #[cancelable]
    pub(crate) async fn rows(&self, n: u32, lines: mpsc::Sender<Bytes>) -> Result<(), Error> {
        self.run(move |database| rows(database, n, &lines)).await
    }

    /// Runs a query on a thread for blocking work.
    #[cancelable]
    async fn run(&self, query: impl FnOnce(&Connection) -> Result<(), Error> + Send + 'static) -> Result<(), Error> {
        let stats = self.stats.clone();
        let work = move || stats.blocking_query(|| ended(query(&open()?)));
        cancelable::tokio::spawn_blocking(work).await?
    }
}

/// Has a function `until(ms)`, which returns when so much time has passed since now.
fn open() -> Result<Connection, Error> {
    let mut database = Connection::open_in_memory()?;
    database.progress_handler(1, Some(is_cancelled))?;
    let begun = Instant::now();
    database.create_scalar_function("until", 1, FunctionFlags::SQLITE_UTF8, move |args| {
        let time = Duration::from_millis(args.get::<i64>(0)?.unsigned_abs());
        // (A few milliseconds: between two of them SQLite asks.)
        thread::sleep(time.saturating_sub(begun.elapsed()));
        Ok(true)
    })?;
    Ok(database)
}

/// A query that was interrupted because its scope was cancelled has been cancelled.
#[cancelable]
fn ended(result: Result<(), Error>) -> Result<(), Error> {
    if let Err(Error::Sqlite(error)) = &result
        && error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
    {
        cancelable::check()?;
    }
    result
}

#[cancelable]
fn wait(database: &Connection, time: Duration) -> Result<(), Error> {
    let time = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    let steps = "WITH RECURSIVE passed(ms) AS (SELECT 0 UNION ALL SELECT min(ms + 5, ?1) FROM passed WHERE ms < ?1)
                 SELECT count(until(ms)) FROM passed";
    database.query_row(steps, [time], |_| Ok(()))?;
    Ok(())
}

#[cancelable]
fn rows(database: &Connection, n: u32, lines: &mpsc::Sender<Bytes>) -> Result<(), Error> {
    let numbers = "WITH RECURSIVE series(i) AS (SELECT 1 WHERE ?1 > 0 UNION ALL SELECT i + 1 FROM series WHERE i < ?1)
                   SELECT i, until(i) FROM series";
    let mut query = database.prepare(numbers)?;
    let mut rows = query.query([n])?;
    while let Some(row) = rows.next()? {
        let line = format!("{}\n", row.get::<_, i64>(0)?);
        // A reader that is slow is waited for until the scope ends.
        if cancelable::thread::block_on(lines.send(line.into()))?.is_err() {
            break;
        }
    }
    Ok(())
}
