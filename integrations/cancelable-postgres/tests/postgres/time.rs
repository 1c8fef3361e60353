//! The server knows how much time there is.

use std::time::Duration;

use cancelable::{Cancelled, Scope};
use cancelable_postgres::{CancelableClient, Canceller, Error, Transaction};
use deadpool_postgres::Object;
use tokio_postgres::NoTls;

use crate::server::Server;
use crate::support::Database;

const SHOW: &str = "SELECT extract(epoch FROM current_setting('statement_timeout')::interval)::float8";

async fn limit(client: &mut CancelableClient<Object>) -> f64 {
    client.query_one(SHOW, &[]).await.unwrap().get(0)
}

async fn limit_within(transaction: &mut Transaction<'_, Object>) -> f64 {
    transaction.query_one(SHOW, &[]).await.unwrap().get(0)
}

fn within(seconds: u64) -> Scope {
    Scope::new().timeout(Duration::from_secs(seconds))
}

#[tokio::test]
async fn it_is_the_remaining_time_for_one_query() {
    let database = Database::new("remaining").await;
    let mut client = database.client().await;
    assert_eq!(limit(&mut client).await, 0.0);
    within(1000)
        .run(async {
            let limit = limit(&mut client).await;
            assert!((900.0..=1000.0).contains(&limit), "{limit}");
            // What the program says stays, if it is less.
            client.batch_execute("SET statement_timeout = '20s'").await.unwrap();
            Ok::<_, Cancelled>(())
        })
        .await
        .unwrap();
    assert_eq!(limit(&mut client).await, 20.0);
    within(1000)
        .run(async {
            assert_eq!(limit(&mut client).await, 20.0);
            // And so does what a query says.
            client.execute("SET statement_timeout = '30s'", &[]).await.unwrap();
            assert_eq!(limit(&mut client).await, 30.0);
            client.execute("SET statement_timeout = '1h'", &[]).await.unwrap();
            assert_eq!(limit(&mut client).await, 3600.0);
            Ok::<_, Cancelled>(())
        })
        .await
        .unwrap();
    assert_eq!(limit(&mut client).await, 3600.0);
    client.batch_execute("RESET statement_timeout").await.unwrap();
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn it_is_told_again_when_it_is_another() {
    let database = Database::new("again").await;
    let mut client = database.client().await;
    let before = within(1000).run(async {
        let outside = limit(&mut client).await;
        let inside = within(900)
            .run(async { Ok::<_, Cancelled>(limit(&mut client).await) })
            .await?;
        // Which is near enough to be told once for both.
        assert_eq!(outside, inside);
        let inside = within(100)
            .run(async { Ok::<_, Cancelled>(limit(&mut client).await) })
            .await?;
        assert!((90.0..=100.0).contains(&inside), "{inside}");
        let outside = limit(&mut client).await;
        assert!((900.0..=1000.0).contains(&outside), "{outside}");
        Ok::<_, Cancelled>(())
    });
    before.await.unwrap();
    assert_eq!(limit(&mut client).await, 0.0);
    within(1000)
        .run(async {
            limit(&mut client).await;
            // What begins a transaction is not told, and what is left of another limit is put back before it.
            client.batch_execute("BEGIN").await.unwrap();
            client.batch_execute("ROLLBACK").await.unwrap();
            Ok::<_, Cancelled>(())
        })
        .await
        .unwrap();
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn a_connection_goes_back_without_it() {
    let database = Database::new("back").await;
    let mut client = database.client().await;
    let before = within(1000)
        .run(async { Ok::<_, Cancelled>(limit(&mut client).await) })
        .await;
    assert!(before.unwrap() > 0.0);
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn a_transaction_has_the_time_of_its_beginning() {
    let database = Database::new("beginning").await;
    let mut client = database.client().await;
    for commits in [true, false] {
        let mut transaction = within(1000).run(client.transaction()).await.unwrap();
        let scope = within(900).run(async {
            // Which has to come first: nothing has been sent that takes a snapshot.
            let level = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";
            transaction.execute(level, &[]).await?;
            let limit = limit_within(&mut transaction).await;
            assert!((900.0..=1000.0).contains(&limit), "{limit}");
            let mut savepoint = transaction.transaction().await?;
            // It is too short for what has longer; and after the savepoint, again.
            let lifted = within(2000).run(async { Ok::<_, Error>(limit_within(&mut savepoint).await) });
            assert_eq!(Scope::new().detached().run(lifted).await?, 0.0);
            savepoint.rollback().await
        });
        scope.await.unwrap();
        assert_eq!(limit_within(&mut transaction).await, 0.0);
        transaction
            .execute("SET LOCAL statement_timeout = '20s'", &[])
            .await
            .unwrap();
        assert_eq!(limit_within(&mut transaction).await, 20.0);
        if commits {
            transaction.commit().await.unwrap();
        } else {
            drop(transaction);
        }
        assert_eq!(limit(&mut client).await, 0.0);
    }
    // It is not told in the middle.
    let mut transaction = client.transaction().await.unwrap();
    let within = within(1000).run(async { Ok::<_, Error>(limit_within(&mut transaction).await) });
    assert_eq!(within.await.unwrap(), 0.0);
    drop(transaction);
    drop(client);
    database.check_next().await;
}

/// A query of the transaction is dropped, the transaction, and the client.
#[tokio::test]
async fn it_goes_back_after_the_transaction() {
    let database = Database::new("after").await;
    let mut client = database.client().await;
    let work = within(1000).run(async {
        let mut transaction = client.transaction().await?;
        transaction.query("SELECT pg_sleep(100000)", &[]).await.map(drop)
    });
    database.drop_at("pg_sleep", work).await;
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn it_can_be_left_alone() {
    let mut database = Database::new("alone").await;
    database.canceller = database.canceller.statement_timeout(false);
    let mut client = database.client().await;
    within(1000)
        .run(async {
            assert_eq!(limit(&mut client).await, 0.0);
            Ok::<_, Cancelled>(())
        })
        .await
        .unwrap();
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn a_timeout_ends_the_query_and_puts_it_back() {
    let database = Database::new("ends").await;
    let mut client = database.client().await;
    let slept = Scope::new()
        .name("sleepy")
        .timeout(Duration::from_millis(20))
        .run(async { client.query("SELECT pg_sleep(100000)", &[]).await });
    let error = slept.await.unwrap_err();
    let cancelled = error.cancelled().unwrap();
    assert!(cancelled.is_timeout());
    assert_eq!(cancelled.scope_name(), Some("sleepy"));
    drop(client);
    database.check_next().await;
    assert_eq!(database.running().await, Vec::<String>::new());
}

/// Cancel requests go nowhere; the server ends the query by itself.
#[tokio::test]
async fn the_server_ends_it_alone() {
    let mut database = Database::new("itself").await;
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let mut nowhere = tokio_postgres::Config::new();
    nowhere.host("127.0.0.1").port(free);
    database.canceller = Canceller::new(&nowhere, NoTls).unwrap();
    for streams in [false, true] {
        let mut client = database.client().await;
        let slept = Scope::new().timeout(Duration::from_millis(30)).run(async {
            if streams {
                let rows = client.query_raw("SELECT pg_sleep(100000)", Vec::<i32>::new()).await?;
                futures::TryStreamExt::try_collect::<Vec<_>>(rows).await
            } else {
                client.query("SELECT pg_sleep(100000)", &[]).await
            }
        });
        let error = slept.await.unwrap_err();
        assert!(error.cancelled().is_some_and(Cancelled::is_timeout), "{error}");
        drop(client);
        database.check_next().await;
    }
    // Without that, the connection is closed.
    database.canceller = database
        .canceller
        .statement_timeout(false)
        .give_up_after(Duration::from_millis(50));
    let mut client = database.client().await;
    let slept = database.cancel_at("pg_sleep", client.query("SELECT pg_sleep(100000)", &[]));
    assert!(matches!(slept.await, Err(Error::Cancelled(_))));
    drop(client);
    assert_eq!(database.pool.status().size, 0);
    database.terminate().await;
    let _ = Server::shared();
}
