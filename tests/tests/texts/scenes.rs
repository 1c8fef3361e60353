//! Programs that are cancelled, one for each way in which scopes lie in one another. What each error says is in `tests/snapshots`, where
//! this file is called `src/main.rs` and this module `app`.

use std::error::Error;
use std::fmt;
use std::future::{Future, pending};
use std::sync::mpsc::channel;

use cancelable::{CancelReason, CancellationToken, Cancelled, cancel_scope, cancelable, check, race, shield, thread};
use futures::executor::block_on;

type Outcome<T = ()> = Result<T, Cancelled>;

#[cancelable(name = "query")]
async fn query() -> Outcome {
    pending::<()>().await;                                       // a database that does not answer
    Ok(())
}

/// Sums up all numbers, which takes a while.
#[cancelable(name = "sum")]
fn sum(up_to: u64, begun: impl FnOnce()) -> Outcome<u64> {
    begun();
    let mut sum = 0;
    for number in 0..up_to {
        sum ^= number;
    }
    Ok(sum)
}

/// The handler's time is up, which the query inside notices.
pub(crate) fn timeout() -> Cancelled {
    tests::paused_tokio().block_on(async {
        let handler = cancel_scope!(name = "GET /orders/7", timeout = "50ms", async { query().await });
        handler.await.unwrap_err()
    })
}

/// A function's own timeout ends its loop.
pub(crate) fn own_timeout() -> Cancelled {
    #[cancelable(name = "count", timeout = "5ms")]
    fn count() -> Outcome {
        loop {}
    }
    count().unwrap_err()
}

/// A scope that nobody has named.
pub(crate) fn unnamed() -> Cancelled {
    tests::paused_tokio().block_on(async {
        let handler = cancel_scope!(timeout = "50ms", async { query().await });
        handler.await.unwrap_err()
    })
}

/// A worker on a thread of its own is cancelled through the scope that started it.
pub(crate) fn manual() -> Cancelled {
    let outcome: Outcome<u64> = cancel_scope!(name = "import", token = import, {
        let import = import.clone();
        let worker = thread::spawn(move || sum(u64::MAX, || assert!(import.cancel_with("user pressed stop"))));
        worker.join().unwrap()
    });
    outcome.unwrap_err()
}

/// The same without a word.
pub(crate) fn without_a_message() -> Cancelled {
    let outcome: Outcome<u64> = cancel_scope!(name = "import", token = import, { sum(u64::MAX, || import.cancel()) });
    outcome.unwrap_err()
}

/// The program is asked to end.
#[cfg(unix)]
pub(crate) fn signal() -> Cancelled {
    use cancelable::signal;

    let signals = signal::unix([signal::SIGTERM]).unwrap();
    let outcome: Outcome = block_on(cancel_scope!(name = "serve", until = signals, async {
        // Not before the query waits.
        killed_during(query()).await
    }));
    outcome.unwrap_err()
}

/// A request is still running when the service goes down.
pub(crate) fn shutdown() -> Cancelled {
    let requests = CancellationToken::new();
    let request = cancel_scope!(name = "POST /upload", parent = &requests, async { query().await });
    during(request, || assert!(requests.cancel_with(CancelReason::shutdown().with_message("deploy"))))
}

/// The client goes, so the request's future is dropped, and its worker notices.
pub(crate) fn dropped() -> Cancelled {
    let (begin, begun) = channel();
    let (tell, told) = channel();
    let request = cancel_scope!(name = "GET /primes", async {
        thread::spawn(move || tell.send(sum(u64::MAX, || begin.send(()).unwrap())).unwrap());
        query().await
    });
    let mut request = Box::pin(request);
    assert!(tests::poll_once(&mut request).is_pending());
    begun.recv().unwrap();
    drop(request);
    outcome_of(told.recv().unwrap())
}

/// Another branch of a race is faster.
pub(crate) fn superseded() -> Cancelled {
    let mut lost = None;
    let raced: Outcome = block_on(cancel_scope!(name = "search", async {
        let slow = async {
            lost = query().await.err();
            Ok(())
        };
        race!(slow, async { Ok(()) }).await
    }));
    raced.unwrap();
    lost.unwrap()
}

/// What is detached from the scope round it has a timeout of its own.
pub(crate) fn detached() -> Cancelled {
    tests::paused_tokio().block_on(async {
        let request = cancel_scope!(name = "request", token = request, async {
            request.cancel();
            let audit = cancel_scope!(name = "audit", detached, timeout = "50ms", async { query().await });
            shield(audit).await
        });
        request.await.unwrap_err()
    })
}

/// A token of somebody else's is linked.
pub(crate) fn linked() -> Cancelled {
    let operator = CancellationToken::new();

    #[cancelable(name = "copy", token = operator)]
    async fn copy(operator: &CancellationToken) -> Outcome {
        query().await
    }
    during(copy(&operator), || assert!(operator.cancel_with("the operator has asked for it")))
}

/// A token of somebody else's is listened for.
pub(crate) fn until() -> Cancelled {
    let operator = CancellationToken::new();
    let outcome: Outcome = block_on(cancel_scope!(name = "copy", until = operator.clone(), async {
        operator.cancel_with("the operator has asked for it");
        query().await
    }));
    outcome.unwrap_err()
}

/// Clean-up takes longer than the grace.
pub(crate) fn grace() -> Cancelled {
    let deploy = CancellationToken::new();
    let scope = cancel_scope!(name = "drain", parent = &deploy, grace = "0s", async {
        shield(pending::<()>()).await;                           // clean-up that hangs
        Ok(())
    });
    during(scope, || deploy.cancel())
}

/// Cancelled before it began.
pub(crate) fn entry() -> Cancelled {
    #[cancelable]
    fn charge() -> Outcome {
        Ok(())
    }
    let outcome: Outcome = cancel_scope!(name = "order", token = order, {
        order.cancel_with("the customer has changed their mind");
        charge()
    });
    outcome.unwrap_err()
}

/// An error stopped it, which has another one behind it.
pub(crate) fn error() -> Cancelled {
    let outcome: Outcome = cancel_scope!(name = "restore", token = restore, {
        restore.cancel_with(CancelReason::error(Unreadable(std::io::Error::other("disk full"))));
        check()
    });
    outcome.unwrap_err()
}

/// A task that its group has no use for any more, since another one failed.
pub(crate) fn group() -> Cancelled {
    use cancelable::TaskError;
    use cancelable::tokio::TaskGroup;

    tests::paused_tokio().block_on(async {
        let mut second = None;
        let outcome: Outcome = cancel_scope!(name = "crawl", async {
            let group = TaskGroup::run(async |group: &mut TaskGroup<(), Failure>| {
                group.spawn(async { Ok(query().await?) });
                tokio::task::yield_now().await;
                group.spawn(async { Err(Failure::NoSuchPage) });
                while let Some(ended) = group.next().await {
                    if let Err(TaskError::Failed(Failure::Cancelled(cancelled))) = ended {
                        second = Some(cancelled);
                    }
                }
                Ok(())
            });
            drop(group.await);
            Ok(())
        })
        .await;
        outcome.unwrap();
        second.unwrap()
    })
}

#[derive(Debug)]
enum Failure {
    NoSuchPage,
    Cancelled(Cancelled),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPage => f.write_str("no such page"),
            Self::Cancelled(cancelled) => cancelled.fmt(f),
        }
    }
}

impl Error for Failure {}

impl From<Cancelled> for Failure {
    fn from(cancelled: Cancelled) -> Self {
        Self::Cancelled(cancelled)
    }
}

#[derive(Debug)]
struct Unreadable(std::io::Error);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the archive cannot be read")
    }
}

impl Error for Unreadable {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

/// Scopes in scopes, and a thread.
pub(crate) fn nested() -> Cancelled {
    let outcome: Outcome<u64> = cancel_scope!(name = "serve", token = serve, {
        cancel_scope!(name = "request", {
            let serve = serve.clone();
            let worker = thread::spawn(move || {
                cancel_scope!(name = "load", timeout = "1h", {
                    sum(u64::MAX, || assert!(serve.cancel_with(CancelReason::shutdown())))
                })
            });
            worker.join().unwrap()
        })
    });
    outcome.unwrap_err()
}

/// What comes of it when this happens while it is pending.
fn during<T>(future: impl Future<Output = Outcome<T>>, cancel: impl FnOnce()) -> Cancelled {
    let mut future = Box::pin(future);
    assert!(tests::poll_once(&mut future).is_pending());
    cancel();
    outcome_of(block_on(future))
}

fn outcome_of<T>(outcome: Outcome<T>) -> Cancelled {
    outcome.err().expect("it was cancelled")
}

#[cfg(unix)]
async fn killed_during<T>(waits: impl Future<Output = T>) -> T {
    let mut waits = std::pin::pin!(waits);
    let mut is_killed = false;
    std::future::poll_fn(|cx| {
        let poll = waits.as_mut().poll(cx);
        if poll.is_pending() && !std::mem::replace(&mut is_killed, true) {
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
        }
        poll
    })
    .await
}
