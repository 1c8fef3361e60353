//! Rows and `COPY`.

use std::pin::pin;

use bytes::Bytes;
use cancelable_postgres::Error;
use futures::{SinkExt as _, StreamExt as _, TryStreamExt as _};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use crate::support::Database;

const NOTHING: [&(dyn ToSql + Sync); 0] = [];

#[tokio::test]
async fn rows_come_one_by_one() {
    let database = Database::new("rows").await;
    let mut client = database.client().await;
    let rows = client
        .query_raw("SELECT generate_series(1, 1000)", NOTHING)
        .await
        .unwrap();
    let numbers: Vec<i32> = rows.map_ok(|row| row.get::<_, i32>(0)).try_collect().await.unwrap();
    assert_eq!(numbers, (1..=1000).collect::<Vec<_>>());
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn a_cancel_is_their_last_item() {
    let database = Database::new("last").await;
    let mut client = database.client().await;
    let read = async {
        let slow = "SELECT repeat('x', 10000), CASE WHEN n = 3 THEN pg_sleep(100000) END FROM generate_series(1, 10) n";
        let mut rows = client.query_raw(slow, NOTHING).await.unwrap();
        let first = rows.next().await.unwrap();
        assert_eq!(first.unwrap().get::<_, &str>(0).len(), 10_000);
        database.token.cancel();
        let mut last = None;
        while let Some(row) = rows.next().await {
            last = Some(row);
        }
        assert!(rows.next().await.is_none());
        last
    };
    let last = database.token.scope(read).await.unwrap();
    assert!(matches!(last, Err(Error::Cancelled(_))), "{last:?}");
    assert_eq!(database.running().await, Vec::<String>::new());
    let row = client.query_one("SELECT 1", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 1);
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn who_does_not_read_to_the_end_ends_them() {
    let database = Database::new("unread").await;
    let mut client = database.client().await;
    let rows = client
        .query_raw("SELECT generate_series(1, 1000000000)::text", NOTHING)
        .await
        .unwrap();
    let first: Vec<_> = rows.take(3).try_collect().await.unwrap();
    assert_eq!(first[2].get::<_, &str>(0), "3");
    let row = client.query_one("SELECT 1", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 1);

    let rows = client
        .query_raw("SELECT generate_series(1, 1000000000)::text", NOTHING)
        .await
        .unwrap();
    drop(rows);
    drop(client);
    database.check_next().await;
    assert_eq!(database.running().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_error_on_the_way_is_the_last_item() {
    let database = Database::new("fails").await;
    let mut client = database.client().await;
    let rows = client
        .query_raw("SELECT 1 / (3 - n) FROM generate_series(1, 5) n", NOTHING)
        .await
        .unwrap();
    let rows: Vec<_> = rows.collect().await;
    assert_eq!(rows.len(), 3);
    assert!(matches!(rows[2], Err(Error::Postgres(_))));
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn copies_are_stored_when_they_are_finished() {
    let database = Database::new("copies").await;
    let mut client = database.client().await;
    let mut sink = client.copy_in::<_, Bytes>("COPY copies FROM STDIN").await.unwrap();
    {
        let mut sink = pin!(&mut sink);
        sink.send(Bytes::from_static(b"1\n2\n")).await.unwrap();
        sink.send(Bytes::from_static(b"3\n")).await.unwrap();
    }
    assert_eq!(sink.finish().await.unwrap(), 3);

    let mut sink = client.copy_in::<_, Bytes>("COPY copies FROM STDIN").await.unwrap();
    sink.send(Bytes::from_static(b"4\n")).await.unwrap();
    sink.close().await.unwrap();
    drop(sink);

    // Not this one.
    let mut sink = client.copy_in::<_, Bytes>("COPY copies FROM STDIN").await.unwrap();
    sink.send(Bytes::from_static(b"5\n")).await.unwrap();
    drop(sink);
    // (If the server was told before it had read anything, the connection is not the same any more: rust-postgres 789.)
    drop(client);
    let mut client = database.client().await;

    let copied = client.copy_out("COPY copies TO STDOUT").await.unwrap();
    let copied: Vec<Bytes> = copied.try_collect().await.unwrap();
    assert_eq!(copied.concat(), b"1\n2\n3\n4\n");
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn a_cancelled_copy_stores_nothing() {
    let database = Database::new("stored").await;
    let mut client = database.client().await;
    client
        .batch_execute(
            "CREATE FUNCTION slow() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(100000); RETURN NEW; END $$ LANGUAGE plpgsql;
             CREATE TRIGGER slow BEFORE INSERT ON stored FOR EACH ROW WHEN (NEW.id = 5000) EXECUTE FUNCTION slow()",
        )
        .await
        .unwrap();
    let copy = async {
        let mut sink = client.copy_in::<_, Bytes>("COPY stored FROM STDIN").await?;
        for n in 1..=10_000 {
            sink.send(Bytes::from(format!("{n}\n"))).await?;
        }
        sink.finish().await
    };
    let result = database.cancel_at("COPY", copy).await;
    assert!(result.unwrap_err().cancelled().is_some());
    drop(client);
    database.check_next().await;
    assert_eq!(database.ids().await, []);
}

#[tokio::test]
async fn a_cancelled_copy_to_here_ends() {
    let database = Database::new("here").await;
    let mut client = database.client().await;
    let copy = async {
        let data = client.copy_out(
            "COPY (SELECT n, pg_sleep(CASE WHEN n > 2 THEN 100000 ELSE 0 END) FROM generate_series(1, 5) n) TO STDOUT",
        );
        data.await?.try_collect::<Vec<_>>().await
    };
    let result = database.cancel_at("COPY", copy).await;
    assert!(result.unwrap_err().cancelled().is_some());
    assert_eq!(database.running().await, Vec::<String>::new());
    drop(client);
    database.check_next().await;
}

/// It is checked when the transaction of the `COPY` ends.
#[tokio::test]
async fn a_copy_that_is_not_stored_is_an_error() {
    let database = Database::new("deferred").await;
    let mut client = database.client().await;
    let constraint =
        "ALTER TABLE deferred ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED, DROP CONSTRAINT deferred_pkey";
    client.batch_execute(constraint).await.unwrap();
    let mut sink = client.copy_in::<_, Bytes>("COPY deferred FROM STDIN").await.unwrap();
    sink.send(Bytes::from_static(b"1\n1\n")).await.unwrap();
    let finished = sink.finish().await;
    let Err(Error::Postgres(error)) = finished else {
        panic!("{finished:?}")
    };
    assert_eq!(error.code(), Some(&SqlState::UNIQUE_VIOLATION));
    drop(client);
    database.check_next().await;
    assert_eq!(database.ids().await, []);
}

/// The server says twice that it is ready, and tokio-postgres counts that once. Nobody gets an answer that is not its own.
#[tokio::test]
async fn a_copy_that_fails_at_once_spoils_no_answer() {
    let database = Database::new("at_once").await;
    let view = "CREATE VIEW at_once_view AS SELECT id FROM at_once";
    database.client().await.batch_execute(view).await.unwrap();
    for _ in 0..20 {
        let mut client = database.client().await;
        let sink = client
            .copy_in::<_, Bytes>("COPY at_once_view FROM STDIN")
            .await
            .unwrap();
        let Err(Error::Postgres(error)) = sink.finish().await else {
            panic!("no error of the server's")
        };
        assert_eq!(error.code(), Some(&SqlState::WRONG_OBJECT_TYPE));
        drop(client);
        let next = database.pool.get().await.unwrap();
        for n in 0..3 {
            let row = next.query_one("SELECT $1::int4", &[&n]).await.unwrap();
            assert_eq!(row.get::<_, i32>(0), n);
        }
    }
}
