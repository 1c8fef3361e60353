//! The future of a query is dropped half-way, or a scope does not wait for it.

use std::time::Duration;

use cancelable::{CancelReason, Cancelled, Scope};
use cancelable_postgres::Error;

use crate::support::{Database, endless};

#[tokio::test]
async fn it_is_ended_before_anybody_gets_the_connection() {
    let database = Database::new("dropped").await;
    let mut client = database.client().await;
    database
        .drop_at("pg_sleep", client.query("SELECT pg_sleep(100000)", &[]))
        .await;
    drop(client);
    assert_eq!(database.pool.status().available, 0, "it is back too early");
    database.check_next().await;
    assert_eq!(database.running().await, Vec::<String>::new());
}

#[tokio::test]
async fn the_next_query_waits_for_its_end() {
    let database = Database::new("waits").await;
    let mut client = database.client().await;
    for _ in 0..3 {
        database
            .drop_at("pg_sleep", client.query("SELECT pg_sleep(100000)", &[]))
            .await;
        let row = client.query_one("SELECT 3", &[]).await.unwrap();
        assert_eq!(row.get::<_, i32>(0), 3);
    }
    drop(client);
    database.check_next().await;
}

#[tokio::test]
async fn a_scope_whose_grace_is_over_leaves_it_to_a_task() {
    let database = Database::new("grace").await;
    let mut client = database.client().await;
    let scope = Scope::new().parent(&database.token).grace(Duration::ZERO);
    let mut slept = None;
    let scope = scope.run(async {
        let result = client.query("SELECT pg_sleep(100000)", &[]).await;
        slept = Some(result.is_ok());
        Ok::<_, Cancelled>(())
    });
    let forced = database.cancel_at("pg_sleep", scope).await;
    assert!(forced.unwrap_err().was_forced());
    assert_eq!(slept, None, "it should have been dropped");
    drop(client);
    database.check_next().await;
    assert_eq!(database.running().await, Vec::<String>::new());
}

/// The runtime is gone with the task that would have cleaned up.
#[test]
fn without_a_runtime_the_connection_does_not_come_back() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let first = runtime();
    let (database, client) = first.block_on(async {
        let database = Database::new("gone").await;
        let mut client = database.client().await;
        database
            .drop_at("pg_sleep", client.query("SELECT pg_sleep(100000)", &[]))
            .await;
        (database, client)
    });
    drop(first);
    drop(client);
    assert_eq!(database.pool.status().size, 0);
}

#[tokio::test]
async fn a_query_that_waits_for_the_clean_up_can_be_cancelled() {
    let mut database = Database::new("cleans").await;
    database.canceller = database.canceller.give_up_after(Duration::from_secs(3600));
    let mut client = database.client().await;
    client.batch_execute(&endless("hard")).await.unwrap();
    tokio::select! {
        _ = client.query("SELECT hard()", &[]) => panic!("it should go on"),
        () = database.until_asleep() => {}
    }
    let next = database.token.scope(client.query("SELECT 1", &[]));
    let cancel = async { database.token.cancel_with(CancelReason::manual()) };
    let (next, _) = futures::join!(next, cancel);
    assert!(matches!(next, Err(Error::Cancelled(_))), "{next:?}");
    database.terminate().await;
    let next = client.query("SELECT 1", &[]).await;
    assert!(matches!(next, Err(Error::Closed)), "{next:?}");
    drop(client);
    assert_eq!(database.pool.status().size, 0);
}
