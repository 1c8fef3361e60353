//! From a plain thread to a suspended task: beside tokio-util's token, turn by turn in the same run, so that whatever else
//! the machine is doing meets both.

use std::future::{Future, pending, poll_fn};
use std::hint::spin_loop;
use std::pin::pin;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use cancelable::{CancellationToken, ReasonKind, cancelable};
use futures::channel::oneshot;

use crate::runtime::{Runtime, Suspends};
use crate::stop::{Miss, Stop, stopped_by};

/// What the row of the table is called.
pub const NAME: &str = "beside tokio-util";

/// How many turns there are for each run that was asked for: one is over within microseconds, and the median of many is
/// worth more than that of few.
pub const TURNS_PER_RUN: usize = 10;

/// The times from the cancel by a plain thread until a task runs again: of an annotated function suspended in our scope,
/// of our `cancelled()`, and of tokio-util's.
///
/// # Errors
///
/// If one of the tasks is not stopped, or not by that cancel.
pub fn compare<R: Runtime<Code = Suspends>>(runtime: &R, runs: usize) -> Result<[Vec<Duration>; 3], Miss> {
    let canceller = Canceller::start();
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    // The first turn starts threads and the like.
    for turn in 0..=runs * TURNS_PER_RUN {
        for place in 0..3 {
            // Each goes first as often as the others.
            let which = (turn + place) % 3;
            let time = runtime.run(async {
                match which {
                    0 => scope::<R>(&canceller).await,
                    1 => token::<R>(&canceller).await,
                    _ => tokio_util::<R>(&canceller).await,
                }
            })?;
            if turn > 0 {
                times[which].push(time);
            }
        }
    }
    Ok(times)
}

#[cancelable]
async fn suspend() -> Stop {
    loop {
        pending::<()>().await;
    }
}

async fn scope<R: Runtime>(canceller: &Canceller) -> Result<Duration, Miss> {
    let token = CancellationToken::new();
    let suspended = {
        let token = token.clone();
        async move { token.scope(suspend()).await }
    };
    let (task, cancelled) = canceller.stop(suspended, {
        let token = token.clone();
        move || token.cancel()
    });
    let stopped = stopped_by(R::spawn(task).await?, ReasonKind::Manual, &token)?;
    stopped.since(cancelled.await?)
}

async fn token<R: Runtime>(canceller: &Canceller) -> Result<Duration, Miss> {
    let token = CancellationToken::new();
    let suspended = {
        let token = token.clone();
        async move {
            token.cancelled().await;
            Instant::now()
        }
    };
    let (task, cancelled) = canceller.stop(suspended, move || token.cancel());
    since::<R>(task, cancelled).await
}

async fn tokio_util<R: Runtime>(canceller: &Canceller) -> Result<Duration, Miss> {
    let token = tokio_util::sync::CancellationToken::new();
    let suspended = {
        let token = token.clone();
        async move {
            token.cancelled().await;
            Instant::now()
        }
    };
    let (task, cancelled) = canceller.stop(suspended, move || token.cancel());
    since::<R>(task, cancelled).await
}

async fn since<R: Runtime>(
    task: impl Future<Output = Instant> + Send + 'static,
    cancelled: oneshot::Receiver<Instant>,
) -> Result<Duration, Miss> {
    let stopped = R::spawn(task).await?;
    Ok(stopped.saturating_duration_since(cancelled.await?))
}

type Cancel = Box<dyn FnOnce() + Send>;

/// A plain thread that cancels what it is sent. It ends with this.
struct Canceller(mpsc::Sender<(Cancel, oneshot::Sender<Instant>)>);

impl Canceller {
    fn start() -> Self {
        let (send, cancels) = mpsc::channel::<(Cancel, oneshot::Sender<Instant>)>();
        thread::spawn(move || {
            for (cancel, tell) in cancels {
                // The task is suspended; so that its executor is too, which then has to be woken.
                let idle = Instant::now() + Duration::from_micros(50);
                while Instant::now() < idle {
                    spin_loop();
                }
                let now = Instant::now();
                cancel();
                let _ = tell.send(now);
            }
        });
        Self(send)
    }

    /// A task that has itself cancelled as soon as it is suspended, and when that was.
    fn stop<F>(
        &self,
        task: F,
        cancel: impl FnOnce() + Send + 'static,
    ) -> (
        impl Future<Output = F::Output> + Send + 'static,
        oneshot::Receiver<Instant>,
    )
    where
        F: Future + Send + 'static,
    {
        let (tell, when) = oneshot::channel();
        let send = self.0.clone();
        let mut cancel: Option<(Cancel, _)> = Some((Box::new(cancel), tell));
        let task = async move {
            let mut task = pin!(task);
            poll_fn(|cx| {
                let poll = task.as_mut().poll(cx);
                if poll.is_pending()
                    && let Some(cancel) = cancel.take()
                {
                    send.send(cancel).expect("the thread waits for more");
                }
                poll
            })
            .await
        };
        (task, when)
    }
}
