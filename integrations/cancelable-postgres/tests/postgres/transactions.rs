//! Transactions roll back.

use cancelable::{CancellationToken, Cancelled};
use cancelable_postgres::Error;
use tokio_postgres::IsolationLevel;
use tokio_postgres::error::SqlState;

use crate::support::Database;

#[tokio::test]
async fn a_cancelled_one_leaves_nothing_behind() {
    let database = Database::new("nothing").await;
    let mut client = database.client().await;
    let result = database
        .cancel_at("pg_sleep", async {
            let mut transaction = client.transaction().await?;
            transaction.execute("INSERT INTO nothing VALUES (1)", &[]).await?;
            transaction.query("SELECT pg_sleep(100000)", &[]).await?;
            transaction.commit().await
        })
        .await;
    assert!(result.unwrap_err().cancelled().is_some());
    drop(client);
    database.check_next().await;
    assert_eq!(database.ids().await, []);
}

#[tokio::test]
async fn a_dropped_one_leaves_nothing_behind() {
    let database = Database::new("behind").await;
    let mut client = database.client().await;
    for keeps_client in [true, false] {
        let work = async {
            let mut transaction = client.transaction().await.unwrap();
            transaction.execute("INSERT INTO behind VALUES (1)", &[]).await.unwrap();
            transaction.query("SELECT pg_sleep(100000)", &[]).await
        };
        database.drop_at("pg_sleep", work).await;
        if keeps_client {
            // In no transaction any more.
            client.execute("INSERT INTO behind VALUES (2)", &[]).await.unwrap();
        }
    }
    drop(client);
    database.check_next().await;
    assert_eq!(database.ids().await, [2]);
}

#[tokio::test]
async fn a_finished_one_stays() {
    let database = Database::new("stays").await;
    let mut client = database.client().await;
    let builder = client.build_transaction().isolation_level(IsolationLevel::Serializable);
    let mut transaction = builder.read_only(false).deferrable(false).start().await.unwrap();
    let row = transaction.query_one("SHOW transaction_isolation", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "serializable");
    transaction.execute("INSERT INTO stays VALUES (1)", &[]).await.unwrap();
    transaction.commit().await.unwrap();

    let mut transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO stays VALUES (2)", &[]).await.unwrap();
    transaction.rollback().await.unwrap();

    let mut transaction = client.transaction().await.unwrap();
    transaction.execute("INSERT INTO stays VALUES (3)", &[]).await.unwrap();
    drop(transaction);
    drop(client);
    database.check_next().await;
    assert_eq!(database.ids().await, [1]);
}

/// A part of a transaction has a scope of its own.
async fn insert_within(name: &str, has_savepoint: bool, is_dropped: bool) -> (Result<(), Error>, Database) {
    let name: &'static str = name.to_owned().leak();
    let database = Database::new(name).await;
    let mut client = database.client().await;
    let insert = |id| format!("INSERT INTO {name} VALUES ({id})");
    let mut transaction = client.transaction().await.unwrap();
    transaction.batch_execute(&insert(1)).await.unwrap();
    {
        let part = async {
            if has_savepoint {
                let mut savepoint = transaction.transaction().await?;
                savepoint.batch_execute(&insert(2)).await?;
                savepoint.query("SELECT pg_sleep(100000)", &[]).await?;
                savepoint.commit().await
            } else {
                transaction.query("SELECT pg_sleep(100000)", &[]).await.map(drop)
            }
        };
        if is_dropped {
            database.drop_at("pg_sleep", part).await;
        } else {
            let error = database.cancel_at("pg_sleep", part).await.unwrap_err();
            assert!(error.cancelled().is_some(), "{error}");
        }
    }
    let committed = transaction.commit().await;
    drop(client);
    database.check_next().await;
    (committed, database)
}

#[tokio::test]
async fn a_savepoint_keeps_the_rest() {
    for (name, is_dropped) in [("savepoint", false), ("savepoint_dropped", true)] {
        let (committed, database) = insert_within(name, true, is_dropped).await;
        committed.unwrap();
        assert_eq!(database.ids().await, [1], "{name}");
    }
}

/// The server only says "ROLLBACK" to such a `COMMIT`.
#[tokio::test]
async fn what_has_failed_is_not_committed_in_silence() {
    for (name, is_dropped) in [("silence", false), ("silence_dropped", true)] {
        let (committed, database) = insert_within(name, false, is_dropped).await;
        let Err(Error::Postgres(error)) = committed else {
            panic!("{committed:?}")
        };
        assert_eq!(error.code(), Some(&SqlState::IN_FAILED_SQL_TRANSACTION));
        assert_eq!(database.ids().await, [], "{name}");
    }
}

#[tokio::test]
async fn it_is_not_committed_under_a_cancel_and_can_be_rolled_back() {
    let database = Database::new("under").await;
    let mut client = database.client().await;
    let (one, two) = (CancellationToken::new(), CancellationToken::new());
    let committed = one.scope(async {
        let mut transaction = client.transaction().await?;
        transaction.execute("INSERT INTO under VALUES (1)", &[]).await?;
        one.cancel();
        transaction.commit().await
    });
    assert!(committed.await.unwrap_err().cancelled().is_some());
    let rolled_back = two.scope(async {
        let mut transaction = client.transaction().await?;
        transaction.execute("INSERT INTO under VALUES (2)", &[]).await?;
        two.cancel();
        transaction.rollback().await
    });
    rolled_back.await.unwrap();
    two.scope(async { Ok::<_, Cancelled>(()) }).await.unwrap();
    let begun = two.scope(async { client.transaction().await.map(drop) }).await;
    assert!(begun.unwrap_err().cancelled().is_some());
    drop(client);
    database.check_next().await;
    assert_eq!(database.ids().await, []);
}
