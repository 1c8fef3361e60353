//! The report.

use std::error::Error as StdError;

use cancelable::cancelable;
use cancelable_postgres::{Canceller, Error};
use deadpool_postgres::{Manager, Pool};
use tokio_postgres::{Config, NoTls};

/// Adds a line to the report, and then what takes long.
#[cancelable(scope, timeout = "300ms")]
async fn report(pool: &Pool, canceller: &Canceller) -> Result<(), Error> {
    let mut client = canceller.wrap(pool.get().await.expect("a connection"));
    let mut transaction = client.transaction().await?;
    transaction
        .execute("INSERT INTO report VALUES ('orders', 0)", &[])
        .await?;
    transaction
        .execute(
            "UPDATE report SET total = (SELECT sum(n) FROM generate_series(1, 1000000000) n)",
            &[],
        )
        .await?;
    transaction.commit().await
}

/// Says how it ended, and what is left of it.
pub(crate) async fn run(config: &Config) -> Result<String, Box<dyn StdError>> {
    let pool = Pool::builder(Manager::new(config.clone(), NoTls)).max_size(1).build()?;
    let canceller = Canceller::new(config, NoTls)?;
    pool.get()
        .await?
        .batch_execute("CREATE TEMPORARY TABLE report (name text, total numeric)")
        .await?;

    let ended = match report(&pool, &canceller).await {
        Ok(()) => "done".to_owned(),
        Err(error) => error.to_string(),
    };
    // The same connection, for there is one only.
    let row = pool.get().await?.query_one("SELECT count(*) FROM report", &[]).await?;
    Ok(format!("{ended}\nlines in the report: {}", row.get::<_, i64>(0)))
}
