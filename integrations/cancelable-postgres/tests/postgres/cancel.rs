//! A query's scope is cancelled.

use cancelable::{CancellationToken, CheckPoint, cancelable};
use cancelable_postgres::{CancelableClient, Error};
use deadpool_postgres::Object;
use futures::join;
use std::time::Duration;
use tokio_postgres::error::SqlState;

use crate::server::Server;
use crate::support::{Database, endless};

#[tokio::test]
async fn it_is_over_on_the_server() {
    let database = Database::new("over").await;
    let mut client = database.client().await;
    let mut line = 0;
    let result = database
        .cancel_at("pg_sleep", async {
            line = line!() + 1;
            client.query("SELECT pg_sleep(100000)", &[]).await
        })
        .await;
    let error = result.unwrap_err();
    assert_eq!(database.running().await, Vec::<String>::new(), "it goes on");
    let cancelled = error.cancelled().expect("a cancel");
    assert_eq!(cancelled.reason().message(), Some("enough"));
    assert_eq!(cancelled.observed_at().file(), file!());
    assert_eq!(cancelled.observed_at().line(), line);
    assert_eq!(cancelled.point(), CheckPoint::Await);

    let row = client.query_one("SELECT 17", &[]).await.unwrap();
    assert_eq!(row.get::<_, i32>(0), 17);
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn it_does_not_begin_under_a_cancel() {
    let database = Database::new("begin").await;
    let mut client = database.client().await;
    database.token.cancel();
    let inserted = database
        .token
        .scope(client.execute("INSERT INTO begin VALUES (1)", &[]))
        .await;
    assert!(inserted.unwrap_err().cancelled().is_some());
    assert_eq!(database.ids().await, []);
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn what_is_done_all_the_same_is_done() {
    let mut database = Database::new("done").await;
    let mut client = database.client().await;
    client
        .batch_execute(
            "CREATE FUNCTION stubborn() RETURNS text AS $$ BEGIN
                 PERFORM pg_sleep(100000);
             EXCEPTION WHEN query_canceled THEN
                 RETURN 'kept';
             END $$ LANGUAGE plpgsql",
        )
        .await
        .unwrap();
    // A request may be two signals, and the second one may hit it after all.
    let mut kept = None;
    for _ in 0..100 {
        database.token = CancellationToken::new();
        let query = client.query_one("SELECT stubborn()", &[]);
        match database.cancel_asleep(query).await {
            Ok(row) => {
                kept = Some(row.get::<_, String>(0));
                break;
            }
            Err(error) => assert!(error.cancelled().is_some(), "{error:?}"),
        }
    }
    assert_eq!(kept.as_deref(), Some("kept"));
    drop(client);
    database.check_next().await;
}

/// As does one that a request has overtaken.
#[tokio::test]
async fn what_does_not_end_is_asked_again() {
    let database = Database::new("asked").await;
    let mut client = database.client().await;
    client
        .batch_execute(
            // A request may be two signals: one to the server's process, and one to its group.
            "CREATE FUNCTION deaf() RETURNS void AS $$ BEGIN
                 FOR n IN 1..5 LOOP
                     BEGIN
                         PERFORM pg_sleep(100000);
                     EXCEPTION WHEN query_canceled THEN
                     END;
                 END LOOP;
                 PERFORM pg_sleep(100000);
             END $$ LANGUAGE plpgsql",
        )
        .await
        .unwrap();
    let result = database.cancel_asleep(client.query_one("SELECT deaf()", &[])).await;
    assert!(result.unwrap_err().cancelled().is_some());
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn what_cannot_be_cancelled_costs_the_connection() {
    let mut database = Database::new("hard").await;
    database.canceller = database.canceller.give_up_after(Duration::from_millis(100));
    let mut client = database.client().await;
    client.batch_execute(&endless("endless")).await.unwrap();
    let pid = database.backends().await;
    let result = database.cancel_asleep(client.query_one("SELECT endless()", &[])).await;
    assert!(result.unwrap_err().cancelled().is_some());
    // Nobody gets it again, not even who has it.
    let next = client.query_one("SELECT 1", &[]).await;
    assert!(matches!(next, Err(Error::Closed)), "{next:?}");
    assert_eq!(database.pool.status().size, 1);
    drop(client);
    assert_eq!(database.pool.status().size, 0);
    database.terminate().await;
    let next = database.pool.get().await.unwrap();
    let row = next.query_one("SELECT pg_backend_pid()", &[]).await.unwrap();
    assert_ne!(pid, [row.get::<_, i32>(0)]);
}

#[tokio::test]
async fn what_the_server_says_is_an_error_of_its_own() {
    let database = Database::new("says").await;
    let mut client = database.client().await;
    let error = client.query("SELECT 1 / 0", &[]).await.unwrap_err();
    let Error::Postgres(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.code(), Some(&SqlState::DIVISION_BY_ZERO));

    // Somebody else has cancelled it.
    let asked = async {
        database.until_running("pg_sleep").await;
        database.ask_to_cancel().await;
    };
    let (slept, ()) = join!(
        database.token.scope(client.query("SELECT pg_sleep(100000)", &[])),
        asked
    );
    let Err(Error::Postgres(error)) = slept else {
        panic!("{slept:?}")
    };
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED));
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn several_at_once_are_cancelled_as_one() {
    let database = Database::new("several").await;
    let mut client = database.client().await;
    let run = client.run(async |client: &Object| {
        let one = client.execute("INSERT INTO several VALUES (1)", &[]);
        let two = client.query("SELECT pg_sleep(100000)", &[]);
        let three = client.query("SELECT pg_sleep(200000)", &[]);
        let (one, two, three) = join!(one, two, three);
        one?;
        two.and(three)
    });
    let result = database.cancel_at("pg_sleep", run).await;
    assert!(result.unwrap_err().cancelled().is_some());
    assert_eq!(database.running().await, Vec::<String>::new());
    assert_eq!(database.ids().await, [1]);

    let cached = client
        .run(async |client: &Object| {
            let statement = client.prepare_cached("SELECT $1::int4").await?;
            client.query_one(&statement, &[&5]).await
        })
        .await;
    assert_eq!(cached.unwrap().get::<_, i32>(0), 5);
    drop(client);
    database.check_next().await;
}

/// In a task of a runtime with several threads: the futures are `Send`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn annotated_code_fails_through_its_own_error() {
    #[cancelable]
    async fn count(client: &mut CancelableClient<Object>) -> Result<i64, Error> {
        let statement = client.prepare("SELECT count(*) FROM annotated").await?;
        let counted = client
            .run(async |client: &Object| client.query_one(&statement, &[]).await)
            .await?;
        let mut transaction = client.transaction().await?;
        transaction.query("SELECT pg_sleep(100000)", &[]).await?;
        transaction.commit().await?;
        Ok(counted.get(0))
    }

    let database = Database::new("annotated").await;
    let mut client = database.client().await;
    let counted = cancelable::tokio::spawn(database.token.scope(async move { count(&mut client).await }));
    database.until_running("pg_sleep").await;
    database.token.cancel();
    let error = counted.await.unwrap().unwrap_err();
    assert_eq!(error.cancelled().unwrap().observed_at().file(), file!());
    database.check_next().await;
}

/// Of a future that somebody has dropped, who had the connection before, or of a transaction's.
#[tokio::test]
async fn what_was_left_in_the_queue_is_not_hit() {
    let database = Database::new("queue").await;
    let lock = Server::shared().connect("admin").await;
    lock.execute("SELECT pg_advisory_lock(17)", &[]).await.unwrap();
    let plain = database.pool.get().await.unwrap();
    let left = plain.batch_execute("INSERT INTO queue SELECT 1 FROM pg_advisory_xact_lock(17)");
    database.drop_at("INSERT", left).await;
    drop(plain);

    let mut client = database.client().await;
    let cancel = async {
        database.token.cancel();
        // What would be sent is sent by now.
        for _ in 0..100 {
            assert_eq!(database.running().await.len(), 1, "it was hit");
        }
        lock.execute("SELECT pg_advisory_unlock(17)", &[]).await.unwrap();
    };
    let slept = database.token.scope(client.query("SELECT pg_sleep(100000)", &[]));
    let (slept, ()) = join!(slept, cancel);
    assert!(slept.unwrap_err().cancelled().is_some());
    drop(client);
    database.check_next().await;
    assert_eq!(database.ids().await, [1]);
}

#[tokio::test]
async fn the_example_says_what_has_happened() {
    let said = crate::report::run(&Server::shared().config("report")).await.unwrap();
    let (cancelled, lines) = said.split_once('\n').unwrap();
    assert!(
        cancelled.starts_with("cancelled: timed out after 300ms (scope \"report\"), requested at "),
        "{said}"
    );
    assert!(cancelled.contains("report.rs"), "{said}");
    assert_eq!(lines, "lines in the report: 0");
}
