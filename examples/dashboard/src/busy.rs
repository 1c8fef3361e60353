//! A shop that is not there, for the page to have something to show: all that can become of a scope becomes of some scope of it.

use std::future::pending;
use std::io;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use cancelable::tokio::{TaskGroup, TaskOwner};
use cancelable::{
    CancellationToken, Cancelled, DrainReport, TaskError, TaskHandle, cancel_scope, cancelable, check, progress,
    shield, sleep,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// The service, on a runtime of its own.
pub(crate) struct Busy {
    runtime: Runtime,
    closing_time: CancellationToken,
}

/// How much time there is at closing time: for the work that runs to go on, and for it to end when it has been cancelled.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    pub(crate) run_for: Duration,
    pub(crate) grace: Duration,
}

impl Busy {
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("shop")
            .enable_time()
            .build()?;
        Ok(Self {
            runtime,
            closing_time: CancellationToken::new(),
        })
    }

    /// Takes work until it is closed.
    pub(crate) fn open(&self, patience: Patience) -> Open<'_> {
        let shop = self.runtime.spawn(open(self.closing_time.clone(), patience));
        Open {
            shop,
            closing_time: &self.closing_time,
        }
    }

    /// Leaves behind what still runs.
    pub(crate) fn leave(self) {
        self.runtime.shutdown_background();
    }
}

/// The service, while it works.
pub(crate) struct Open<'a> {
    shop: JoinHandle<DrainReport>,
    closing_time: &'a CancellationToken,
}

impl Open<'_> {
    /// Takes no new work, lets what runs go on for a while, cancels it, and drops what is left.
    pub(crate) async fn close(self) -> DrainReport {
        self.closing_time.cancel();
        self.shop.await.expect("it does not panic")
    }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Somebody may cancel the shop on the page: then it opens again.
async fn open(closing_time: CancellationToken, patience: Patience) -> DrainReport {
    loop {
        if let Ok(report) = shop(&closing_time, patience).await {
            return report;
        }
        tokio::time::sleep(ms(1_000)).await;
    }
}

#[cancelable(name = "shop")]
async fn shop(closing_time: &CancellationToken, patience: Patience) -> Result<DrainReport, Cancelled> {
    // A job that panics is a part of the show.
    let work = Arc::new(TaskOwner::builder().isolate_panics(|_| {}).build());
    // What runs for long first, so that it stays where it is on the page.
    again(&work, 1, ms(3_000), |work, _| work.spawn(nightly_report()));
    again(&work, 2, ms(2_000), |work, _| {
        work.spawn_blocking(|| cancel_scope!(name = "legacy export", timeout = "4s", { legacy_export() }))
    });
    again(&work, 3, ms(4_000), |work, _| work.spawn(save_baskets()));
    again(&work, 4, ms(2_000), |work, _| work.spawn(thumbnails()));
    again(&work, 5, ms(2_500), |work, round| work.spawn(mirror(round)));
    again(&work, 6, ms(2_000), |work, _| {
        work.spawn(front_desk(work.accepting().clone()))
    });
    again(&work, 7, ms(3_000), |work, _| work.spawn(close_ledger()));
    closing_time.cancelled().await;
    Ok(work.drain(patience.run_for, patience.grace).await)
}

/// Does a job, and after a pause the next one, until no more work is taken. The one that runs then goes on.
fn again<T: Send + 'static>(
    work: &Arc<TaskOwner>,
    place: u64,
    pause: Duration,
    job: impl Fn(&TaskOwner, u64) -> TaskHandle<T> + Send + Sync + 'static,
) {
    #[cancelable(token = work.accepting())]
    async fn run<T>(
        work: &TaskOwner,
        place: u64,
        pause: Duration,
        job: impl Fn(&TaskOwner, u64) -> TaskHandle<T>,
    ) -> Result<(), Cancelled> {
        sleep(ms(50 * place)).await?;
        for round in 1.. {
            // However it ends.
            let _ = job(work, round).await;
            sleep(pause).await?;
        }
        Ok(())
    }

    let of_task = Arc::clone(work);
    work.spawn(async move { run(&of_task, place, pause, job).await });
}

/// Customers, until no more are let in; those that are here are waited for.
#[cancelable(name = "front desk")]
async fn front_desk(door: CancellationToken) -> Result<(), Cancelled> {
    let customers = TaskOwner::builder().isolate_panics(|_| {}).build();
    let _ = let_in(&customers, door).await;
    customers.wait().await;
    check()
}

#[cancelable(token = door)]
async fn let_in(customers: &TaskOwner, door: CancellationToken) -> Result<(), Cancelled> {
    for number in 1..u64::MAX {
        sleep(ms(450)).await?;
        match number % 8 {
            // The client leaves.
            3 => drop(customers.spawn(tokio::time::timeout(
                ms(1_400),
                cancel_scope!(name = format!("GET /search?q=<i>shoes</i>&page={number}"), async {
                    search().await
                }),
            ))),
            6 => drop(
                customers.spawn(cancel_scope!(name = "POST /checkout", timeout = "10s", async move {
                    check_out(number).await
                })),
            ),
            _ => drop(customers.spawn(cancel_scope!(
                name = format!("GET /orders/{}", 4000 + number),
                timeout = "2500ms",
                async move { order(number).await }
            ))),
        }
    }
    Ok(())
}

/// Some take longer than they may.
#[cancelable]
async fn order(number: u64) -> Result<(), Cancelled> {
    sleep(ms(300 + number * 137 % 900)).await?;
    cancel_scope!(name = "query", async move { query(number).await }).await
}

#[cancelable]
async fn query(number: u64) -> Result<(), Cancelled> {
    let takes = if number.is_multiple_of(5) {
        9_000
    } else {
        400 + number * 61 % 800
    };
    sleep(ms(takes)).await
}

#[cancelable]
async fn search() -> Result<(), Cancelled> {
    pending::<()>().await;
    Ok(())
}

#[cancelable]
async fn check_out(number: u64) -> Result<(), Cancelled> {
    sleep(ms(1_800)).await?;
    if number % 48 == 30 {
        // (A panic would write to the terminal.)
        resume_unwind(Box::new("the till is empty"));
    }
    Ok(())
}

/// A long job that says how far it has got.
#[cancelable(name = "nightly report")]
async fn nightly_report() -> Result<(), Cancelled> {
    const ROWS: u64 = 40_000;
    for row in (0..ROWS).step_by(20) {
        progress(row, ROWS);
        sleep(ms(150)).await?;
    }
    Ok(())
}

/// Threads that have to be asked to stop, and look whether they were.
#[cancelable(name = "thumbnails")]
async fn thumbnails() -> Result<(), Cancelled> {
    TaskGroup::run(async |group| {
        for photo in 1..=2 {
            group.spawn_blocking(move || {
                cancel_scope!(name = format!("photo {photo}"), timeout = "30s", {
                    resize(ms(60 + 30 * photo))
                })
            });
        }
        Ok(())
    })
    .await
}

fn resize(row_takes: Duration) -> Result<(), Cancelled> {
    const ROWS: u64 = 120;
    for row in 0..ROWS {
        progress(row, ROWS);
        check()?;
        thread::sleep(row_takes);
    }
    Ok(())
}

/// What is done together fails together: every third time one of three does.
#[cancelable(name = "mirror")]
async fn mirror(round: u64) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut group = TaskGroup::new();
    for (number, place) in (1..).zip(["Bergen", "Lagos", "Quito"]) {
        group.spawn(cancel_scope!(name = format!("copy to {place}"), async move {
            copy(number, round).await
        }));
    }
    group.join().await.map_err(TaskError::or_resume)?;
    Ok(())
}

#[cancelable]
async fn copy(number: u64, round: u64) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    const FILES: u64 = 40;
    for file in 0..FILES {
        if (number, round % 3, file) == (2, 1, 28) {
            return Err("Lagos: no space left".into());
        }
        progress(file, FILES);
        sleep(ms(110 + 40 * number)).await?;
    }
    Ok(())
}

/// It ignores its timeout for some time: what it does may not be cut half-way.
#[cancelable(name = "save baskets", timeout = "3s")]
async fn save_baskets() -> Result<(), Cancelled> {
    sleep(ms(1_000)).await?;
    shield(tokio::time::sleep(ms(9_000))).await;
    check()
}

/// Its clean-up takes longer than it may.
#[cancelable(name = "close ledger", timeout = "2s", grace = "3s")]
async fn close_ledger() -> Result<(), Cancelled> {
    shield(pending::<()>()).await;
    Ok(())
}

/// It calls something that nobody can interrupt, and notices late that nobody waits for it any more.
#[cancelable]
fn legacy_export() -> Result<(), Cancelled> {
    // cancelable: allow(blocking-call) it is there to be found on the page
    thread::sleep(ms(12_000));
    check()
}
