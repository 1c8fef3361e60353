//! Many requests through a pool, each ended at some moment: the next query on the connection is never hit.

use std::env;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use cancelable::{CancellationToken, Scope, cancelable};
use cancelable_postgres::{Canceller, Error};
use deadpool_postgres::{Manager, Object, Pool};
use futures::future::{Either, select};
use futures::{SinkExt as _, TryStreamExt as _};
use tokio::task::yield_now;
use tokio_postgres::NoTls;

use crate::server::Server;
use crate::support::state;

/// How many of them `cargo test` runs; `POSTGRES_REQUESTS=10000` is the whole.
const SAMPLE: u64 = 400;
const WORKERS: u64 = 4;
const KINDS: u64 = 5;

fn requests() -> u64 {
    env::var("POSTGRES_REQUESTS").map_or(SAMPLE, |n| n.parse().expect("POSTGRES_REQUESTS is a number"))
}

/// What a service does in a request. It stores the row `id`, if its kind stores any.
#[cancelable]
async fn request(pool: &Pool, canceller: &Canceller, kind: u64, id: i32) -> Result<(), Error> {
    let mut client = canceller.wrap(pool.get().await.expect("a pool"));
    match kind {
        0 => {
            client
                .query("SELECT count(*) FROM generate_series(1, 5000)", &[])
                .await?;
        }
        1 => {
            let mut transaction = client.transaction().await?;
            transaction
                .query("SELECT count(*) FROM generate_series(1, 1000)", &[])
                .await?;
            transaction.execute("INSERT INTO many VALUES ($1)", &[&id]).await?;
            let mut savepoint = transaction.transaction().await?;
            savepoint
                .query("SELECT count(*) FROM generate_series(1, 1000)", &[])
                .await?;
            savepoint.commit().await?;
            transaction.commit().await?;
        }
        2 => {
            let rows = client
                .query_raw("SELECT generate_series(1, 2000)", Vec::<i32>::new())
                .await?;
            let rows: Vec<_> = rows.try_collect().await?;
            assert_eq!(rows.len(), 2000);
        }
        3 => {
            let mut sink = client.copy_in::<_, Bytes>("COPY many FROM STDIN").await?;
            sink.send(Bytes::from(format!("{id}\n"))).await?;
            sink.finish().await?;
        }
        _ => {
            let statement = client
                .prepare("SELECT count(*) FROM generate_series(1, $1::int4)")
                .await?;
            let both = client.run(async |client: &Object| {
                futures::try_join!(client.query(&statement, &[&1000]), client.query(&statement, &[&2000]))
            });
            both.await?;
        }
    }
    Ok(())
}

/// How a request ended.
enum End {
    Done,
    Cancelled,
    Dropped,
}

/// Ends it when it has been asked so often, or lets it come to its end. With how often it was asked.
async fn end_after(
    asks: u64,
    drops: bool,
    token: &CancellationToken,
    work: impl Future<Output = Result<(), Error>>,
) -> (End, u64) {
    let asked = AtomicU64::new(0);
    let mut wait = pin!(async {
        while asked.load(Ordering::Relaxed) < asks {
            asked.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
        }
    });
    let mut work = pin!(token.scope(work));
    let result = match select(work.as_mut(), wait.as_mut()).await {
        Either::Left((result, _)) => result,
        Either::Right(_) if drops => return (End::Dropped, asks),
        Either::Right(_) => {
            token.cancel();
            work.await
        }
    };
    let end = match result {
        Ok(()) => End::Done,
        Err(Error::Cancelled(_)) => End::Cancelled,
        Err(error) => panic!("{error:?}"),
    };
    (end, asked.load(Ordering::Relaxed))
}

/// Not of a quality, but the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// One connection, and what its requests come to.
async fn worker(seed: u64, requests: u64) -> [u64; 4] {
    let config = Server::shared().config("many");
    let canceller = Canceller::new(&config, NoTls).unwrap();
    let canceller = canceller.give_up_after(Duration::from_secs(60));
    let pool = Pool::builder(Manager::new(config, NoTls)).max_size(1).build().unwrap();
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    // How often a request of a kind is asked until its end.
    let mut lengths = [1; KINDS as usize];
    let mut ends = [0; 3];
    let mut backend = None;
    let mut closed = 0;
    for n in 0..requests {
        let kind = n % KINDS;
        let id = i32::try_from(seed * 1_000_000 + n).unwrap();
        let length = &mut lengths[kind as usize];
        let asks = random.below(*length + *length / 8 + 2);
        let (drops, has_limit) = (random.below(3) == 0, random.below(2) == 0);
        let token = CancellationToken::new();
        let limit = has_limit.then_some(Duration::from_secs(3600));
        let work = request(&pool, &canceller, kind, id);
        let work = async { Scope::new().timeout(limit).run(work).await };
        let (end, asked) = end_after(asks, drops, &token, work).await;
        if let End::Done = end {
            *length = (*length).max(asked * 2).min(asked * 4 + 2);
        }
        let at =
            format!("seed {seed}, request {n} of kind {kind}, after {asks} (drops: {drops}, has a limit: {has_limit})");

        // The next: whoever it is, without a wrapper.
        let next = pool.get().await.unwrap();
        for _ in 0..3 {
            let counted = next
                .query_one("SELECT count(*) FROM generate_series(1, 500)", &[])
                .await;
            let counted = counted.unwrap_or_else(|error| panic!("hit: {error:?}: {at}"));
            assert_eq!(counted.get::<_, i64>(0), 500, "{at}");
        }
        let state = state(&next).await;
        let before = backend.replace(state.backend);
        if before.is_some_and(|before| before != state.backend) {
            // Which that costs, if it is hit at its very beginning.
            assert_eq!(kind, 3, "the connection was closed: {at}");
            closed += 1;
        }
        assert!(state.is_at_rest, "a transaction is open: {at}");
        assert_eq!(state.statement_timeout, "0", "{at}");
        let stored = next
            .query_one("SELECT count(*) FROM many WHERE id = $1", &[&id])
            .await
            .unwrap();
        let stored: i64 = stored.get(0);
        match end {
            End::Done => assert_eq!(stored, i64::from(matches!(kind, 1 | 3)), "{at}"),
            End::Cancelled => assert_eq!(stored, 0, "{at}"),
            // Its commit may have been on its way.
            End::Dropped => assert!(stored <= 1, "{at}"),
        }
        ends[end as usize] += 1;
    }
    [ends[0], ends[1], ends[2], closed]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_query_is_never_hit() {
    let admin = Server::shared().connect("admin").await;
    admin
        .batch_execute("CREATE TABLE many (id int PRIMARY KEY)")
        .await
        .unwrap();
    let requests = requests();
    let workers = (1..=WORKERS).map(|seed| tokio::spawn(worker(seed, requests / WORKERS)));
    let mut ends = [0; 4];
    for worker in workers {
        let worker = worker.await.unwrap();
        ends = std::array::from_fn(|i| ends[i] + worker[i]);
    }
    let [done, cancelled, dropped, closed] = ends;
    println!("{requests} requests: {done} done, {cancelled} cancelled, {dropped} dropped; {closed} connections closed");
    assert!(cancelled > requests / 5 && dropped > requests / 10, "{ends:?}");
    let left = "SELECT FROM pg_stat_activity WHERE application_name = 'many' AND state <> 'idle'";
    assert!(admin.query(left, &[]).await.unwrap().is_empty());
}
