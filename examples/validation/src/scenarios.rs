//! The scenarios: one function each, for every runtime.
//!
//! Each runs once, asserts what the library promises, and returns the time from the cancel to the stop.

use std::future::Future;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cancelable::{CancellationToken, Cancelled, ReasonKind, Scope, cancelable, check, current};
use futures::channel::oneshot;

use crate::runtime::{Code, Runtime, Shutdown, Suspends, Task};
use crate::stop::{
    Begun, Checked, ENOUGH, FOR_EVER, Miss, Stop, Stopped, begun, cancel, cancel_from_a_thread, ensure, spin,
    stopped_by, wait,
};

/// A scenario on some runtime: its name, and one run of it.
pub struct Scenario<R> {
    /// The name of the table's row.
    pub name: &'static str,
    /// Runs it once.
    pub run: Box<dyn Fn(&R) -> Checked>,
}

impl<R: Runtime> Scenario<R> {
    /// One that is run by the runtime.
    fn inside<F>(name: &'static str, scenario: fn() -> F) -> Self
    where
        F: Future<Output = Checked> + Send + 'static,
    {
        Self::around(name, move |runtime: &R| runtime.run(scenario()))
    }

    /// One that runs the runtime.
    fn around(name: &'static str, scenario: impl Fn(&R) -> Checked + 'static) -> Self {
        Self {
            name,
            run: Box::new(scenario),
        }
    }
}

impl<R> std::fmt::Debug for Scenario<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenario")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// All of them, in the order of the table.
#[must_use]
pub fn scenarios<R: Runtime>() -> Vec<Scenario<R>> {
    vec![
        Scenario::inside("task to task", task_to_task::<R>),
        Scenario::inside("parent to child, not back", parent_to_child::<R>),
        Scenario::inside("plain thread to task", thread_to_task::<R>),
        Scenario::inside("callback of another token", callback::<R>),
        Scenario::around("SIGINT", signals::interrupt::<R>),
        Scenario::around("SIGTERM", signals::terminate::<R>),
        Scenario::inside("timeout", timeout::<R>),
        Scenario::inside("nested timeouts, outer first", outer_timeout::<R>),
        Scenario::inside("nested timeouts, inner first", inner_timeout::<R>),
        Scenario::inside("virtual clock", virtual_clock::<R>),
        Scenario::inside("check() in a busy task", busy_task::<R>),
        Scenario::inside("worker, by a cancel", worker_by_cancel::<R>),
        Scenario::inside("worker, by a timeout", worker_by_timeout::<R>),
        Scenario::inside("worker, by its scope's drop", worker_by_drop::<R>),
        Scenario::inside("worker, by its scope's end", worker_by_end::<R>),
        Scenario::inside("worker, within one block", worker_by_blocks::<R>),
        Scenario::inside("async in sync in async", async_in_sync_in_async::<R>),
        Scenario::around("sync in async in sync", sync_in_async_in_sync::<R>),
        Scenario::inside("abort of a task", abort::<R>),
        Scenario::around("shutdown with open scopes", |_: &R| shutdown::<R>()),
    ]
}

/// Short, so that many fit in a second; and long enough for the code inside to begin before.
const SHORT: Duration = Duration::from_millis(2);

/// What every cancel by hand says.
fn by_hand(stop: Stop, owner: &CancellationToken) -> Result<Stopped, Miss> {
    let stopped = stopped_by(stop, ReasonKind::Manual, owner)?;
    let reason = stopped.why.reason();
    ensure(reason.message() == Some(ENOUGH), || {
        format!("lost its message: {reason}")
    })?;
    ensure(reason.location().file().ends_with("stop.rs"), || {
        format!("cancelled elsewhere: {reason:?}")
    })?;
    Ok(stopped)
}

/// A timeout of the scope of `token`; the time counts from the deadline.
fn by_timeout(stop: Stop, token: &CancellationToken) -> Checked {
    let stopped = stopped_by(stop, ReasonKind::Timeout, token)?;
    stopped.since(token.deadline().ok_or(Miss::Failed("no deadline".to_owned()))?)
}

/// No scope claims a cancel that is another's.
fn not_by(stop: &Stop, token: &CancellationToken) -> Result<(), Miss> {
    let claims = stop.as_ref().is_err_and(|stopped| stopped.why.belongs_to(token));
    ensure(!claims, || "a scope claims the deadline of another".to_owned())
}

// From where ----------------------------------------------------------------------------------------------------------

/// Two tasks share a token: one waits, the other cancels.
async fn task_to_task<R: Runtime>() -> Checked {
    let token = CancellationToken::new();
    let (begun, began) = begun();
    let waiting = R::spawn(R::Code::under(token.clone(), wait::<R::Code>(begun)));
    let cancelling = R::spawn({
        let token = token.clone();
        async move {
            drop(R::Code::wait(began).await);
            cancel(&token)
        }
    });
    let cancelled = R::Code::wait(cancelling).await?;
    by_hand(R::Code::wait(waiting).await?, &token)?.since(cancelled)
}

/// A child's cancel stays its own; its parent's reaches all below. The time is that of the parent's.
async fn parent_to_child<R: Runtime>() -> Checked {
    let parent = CancellationToken::new();
    let [first, second] = [parent.child_token(), parent.child_token()];
    let (in_first, first_began) = begun();
    let (in_second, second_began) = begun();
    let on_first = R::spawn(R::Code::under(first.clone(), wait::<R::Code>(in_first)));
    let on_second = R::spawn(R::Code::under(second.clone(), wait::<R::Code>(in_second)));
    R::Code::wait(first_began).await?;
    R::Code::wait(second_began).await?;

    cancel(&first);
    by_hand(R::Code::wait(on_first).await?, &first)?;
    ensure(!parent.is_cancelled() && !second.is_cancelled(), || {
        "a child's cancel went up".to_owned()
    })?;

    let cancelled = cancel(&parent);
    let stopped = by_hand(R::Code::wait(on_second).await?, &parent)?;
    ensure(second.is_inherited() && !stopped.why.belongs_to(&second), || {
        "the child claims its parent's cancel".to_owned()
    })?;
    stopped.since(cancelled)
}

/// A thread that knows of no runtime cancels.
async fn thread_to_task<R: Runtime>() -> Checked {
    let token = CancellationToken::new();
    let (begun, began) = begun();
    let waiting = R::spawn(R::Code::under(token.clone(), wait::<R::Code>(begun)));
    let cancelled = cancel_from_a_thread(&token, began);
    let stop = R::Code::wait(waiting).await?;
    by_hand(stop, &token)?.since(R::Code::wait(cancelled).await?)
}

/// A callback of one token cancels another, on the thread that cancels and before that goes on.
async fn callback<R: Runtime>() -> Checked {
    let token = CancellationToken::new();
    let other = CancellationToken::new();
    let (begun, began) = begun();
    let waiting = R::spawn(R::Code::under(token.clone(), wait::<R::Code>(begun)));
    R::Code::wait(began).await?;

    let (tell, told) = oneshot::channel();
    let _registered = other.on_cancel({
        let token = token.clone();
        move |reason| {
            token.cancel_with(reason.clone());
            let _ = tell.send(thread::current().id());
        }
    });
    let cancelled = cancel(&other);
    let here = thread::current().id();
    ensure(token.is_cancelled(), || "the callback was left for later".to_owned())?;
    ensure(R::Code::wait(told).await? == here, || {
        "the callback ran elsewhere".to_owned()
    })?;
    by_hand(R::Code::wait(waiting).await?, &token)?.since(cancelled)
}

/// Real signals, sent to this process.
mod signals {
    use super::*;

    pub(super) use imp::{interrupt, terminate};

    #[cfg(unix)]
    mod imp {
        use std::sync::{Mutex, PoisonError};

        use cancelable::signal;
        use rustix::process::{Signal, getpid, kill_process};

        use super::*;

        pub(in super::super) fn interrupt<R: Runtime>(runtime: &R) -> Checked {
            by_signal(runtime, Signal::INT)
        }

        pub(in super::super) fn terminate<R: Runtime>(runtime: &R) -> Checked {
            by_signal(runtime, Signal::TERM)
        }

        /// A scope that listens is stopped by a signal that the process sends itself.
        fn by_signal<R: Runtime>(runtime: &R, sent_signal: Signal) -> Checked {
            // A signal is for the whole process; so there is one at a time.
            static ALONE: Mutex<()> = Mutex::new(());
            let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
            runtime.run(async move {
                let (begun, began) = begun();
                let source = signal::unix([sent_signal.as_raw()]).map_err(|error| Miss::Failed(error.to_string()))?;
                let scope = Scope::new().until(source);
                let waiting = R::spawn(R::Code::scope(scope, wait::<R::Code>(begun)));
                let token = R::Code::wait(began).await?;
                let sent = Instant::now();
                kill_process(getpid(), sent_signal).map_err(|error| Miss::Failed(error.to_string()))?;
                let stopped = stopped_by(R::Code::wait(waiting).await?, ReasonKind::Signal, &token)?;
                let number = stopped.why.reason().signal_number();
                ensure(number == Some(sent_signal.as_raw()), || {
                    format!("another signal: {}", stopped.why)
                })?;
                stopped.since(sent)
            })
        }
    }

    #[cfg(not(unix))]
    mod imp {
        use super::*;

        const NONE: Miss = Miss::NotHere("this system has no signals to send");

        pub(in super::super) fn interrupt<R: Runtime>(_runtime: &R) -> Checked {
            Err(NONE)
        }

        pub(in super::super) fn terminate<R: Runtime>(_runtime: &R) -> Checked {
            Err(NONE)
        }
    }
}

// By the clock --------------------------------------------------------------------------------------------------------

/// The time is up.
async fn timeout<R: Runtime>() -> Checked {
    let (begun, began) = begun();
    let scope = Scope::new().timeout(SHORT);
    let waiting = R::spawn(R::Code::scope(scope, wait::<R::Code>(begun)));
    let token = R::Code::wait(began).await?;
    by_timeout(R::Code::wait(waiting).await?, &token)
}

/// The outer deadline ends the inner scope, which does not claim it.
async fn outer_timeout<R: Runtime>() -> Checked {
    let (in_outer, outer_began) = begun();
    let (in_inner, inner_began) = begun();
    let waiting = R::spawn(R::Code::scope(Scope::new().timeout(SHORT), async {
        in_outer.say();
        R::Code::scope(Scope::new().timeout(FOR_EVER), wait::<R::Code>(in_inner)).await
    }));
    let outer = R::Code::wait(outer_began).await?;
    let inner = R::Code::wait(inner_began).await;
    let stop = R::Code::wait(waiting).await?;
    // Only on a machine that is slower than the deadline there is no inner scope.
    if let Ok(inner) = inner {
        not_by(&stop, &inner)?;
        ensure(inner.deadline() == outer.deadline(), || {
            "the outer deadline is not in force inside".to_owned()
        })?;
    }
    by_timeout(stop, &outer)
}

/// The inner deadline ends the inner scope alone.
async fn inner_timeout<R: Runtime>() -> Checked {
    let (in_outer, outer_began) = begun();
    let (in_inner, inner_began) = begun();
    let waiting = R::spawn(R::Code::scope(Scope::new().timeout(FOR_EVER), async {
        in_outer.say();
        let stop = R::Code::scope(Scope::new().timeout(SHORT), wait::<R::Code>(in_inner)).await;
        check()?;
        Ok::<Stop, Stopped>(stop)
    }));
    let outer = R::Code::wait(outer_began).await?;
    let inner = R::Code::wait(inner_began).await?;
    let stop = R::Code::wait(waiting).await??;
    not_by(&stop, &outer)?;
    let ended = outer.reason().map(|reason| reason.kind());
    ensure(ended == Some(ReasonKind::ScopeEnded), || {
        format!("the outer scope: {ended:?}")
    })?;
    by_timeout(stop, &inner)
}

/// An hour passes when the clock is moved by one, and not before. The time is that from the move.
async fn virtual_clock<R: Runtime>() -> Checked {
    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    let clock = R::virtual_clock();
    let (begun, began) = begun();
    let code = R::Code::scope(Scope::new().timeout(HOUR), wait::<R::Code>(begun));
    let waiting = R::spawn(clock.scope(code));
    let token = R::Code::wait(began).await?;
    clock.advance(HOUR - MINUTE).await;
    ensure(!token.is_cancelled(), || "the deadline came a minute early".to_owned())?;
    let moved = Instant::now();
    clock.advance(MINUTE).await;
    stopped_by(R::Code::wait(waiting).await?, ReasonKind::Timeout, &token)?.since(moved)
}

// Code that does not suspend ------------------------------------------------------------------------------------------

/// A task that never yields stops at its next check, also if it blocks the only thread of its executor.
async fn busy_task<R: Runtime>() -> Checked {
    let token = CancellationToken::new();
    let (begun, began) = begun();
    let cancelled = cancel_from_a_thread(&token, began);
    let busy = R::spawn(R::Code::under(token.clone(), async {
        begun.say();
        loop {
            check()?;
        }
    }));
    let stop = R::Code::wait(busy).await?;
    by_hand(stop, &token)?.since(R::Code::wait(cancelled).await?)
}

/// A blocking worker is stopped like its scope.
async fn worker_by_cancel<R: Runtime>() -> Checked {
    let token = CancellationToken::new();
    let (begun, began) = begun();
    let worker = token.sync_scope(|| R::spawn_blocking(|| spin(begun)));
    ensure(R::Code::wait(began).await? == token, || {
        "the worker has another token".to_owned()
    })?;
    let cancelled = cancel(&token);
    by_hand(R::Code::wait(worker).await?, &token)?.since(cancelled)
}

/// Starts a worker, and says what it says when it ends, however the scope ends.
fn worker<R: Runtime>(begun: Begun) -> oneshot::Receiver<Stop> {
    let (tell, told) = oneshot::channel();
    drop(R::spawn_blocking(move || drop(tell.send(spin(begun)))));
    told
}

/// The scope's deadline ends its worker, too.
async fn worker_by_timeout<R: Runtime>() -> Checked {
    let (in_worker, began) = begun();
    let (in_scope, _) = begun();
    let (tell, told) = oneshot::channel();
    let scope = R::Code::scope(Scope::new().timeout(SHORT), async {
        drop(tell.send(worker::<R>(in_worker)));
        wait::<R::Code>(in_scope).await
    });
    let Err(scope) = scope.await;
    let token = R::Code::wait(began).await?;
    ensure(scope.why.belongs_to(&token), || "the scope ended otherwise".to_owned())?;
    let worker = R::Code::wait(told).await?;
    by_timeout(R::Code::wait(worker).await?, &token)
}

/// A scope that is left without an end, dropped or by a panic, takes its worker along.
async fn worker_by_drop<R: Runtime>() -> Checked {
    let (begun, began) = begun();
    let left = R::Code::abandon(Scope::new(), async {
        let worker = worker::<R>(begun);
        (R::Code::wait(began).await, worker)
    });
    let ((token, worker), left) = left.await.ok_or(Miss::Failed("the scope ended".to_owned()))?;
    stopped_by(R::Code::wait(worker).await?, ReasonKind::Dropped, &token?)?.since(left)
}

/// A scope whose body has returned stops the worker it has not waited for.
async fn worker_by_end<R: Runtime>() -> Checked {
    let (begun, began) = begun();
    let scope = R::Code::scope(Scope::new(), async {
        let worker = worker::<R>(begun);
        let began = R::Code::wait(began).await;
        Ok::<_, Cancelled>((began, worker, Instant::now()))
    });
    let (token, worker, ended) = scope.await.map_err(Stopped::from)?;
    stopped_by(R::Code::wait(worker).await?, ReasonKind::ScopeEnded, &token?)?.since(ended)
}

const BLOCK: usize = 64 << 10;

/// Reads for ever, block by block.
#[cancelable]
fn read_blocks(mut from: impl Read, blocks: &AtomicU64, begun: Begun) -> Result<(), Stopped> {
    begun.say();
    let mut block = vec![0; BLOCK];
    while from.read(&mut block).is_ok_and(|length| length > 0) {
        blocks.fetch_add(1, Ordering::SeqCst);
    }
    Ok(())
}

/// A worker that checks at every block of 64 KiB begins at most the one more that it was about to when the cancel came.
async fn worker_by_blocks<R: Runtime>() -> Checked {
    let token = CancellationToken::new();
    let blocks = Arc::new(AtomicU64::new(0));
    let (begun, began) = begun();
    let reading = token.sync_scope(|| {
        let blocks = Arc::clone(&blocks);
        R::spawn_blocking(move || read_blocks(io::repeat(0), &blocks, begun))
    });
    R::Code::wait(began).await?;
    let cancelled = cancel(&token);
    let before = blocks.load(Ordering::SeqCst);
    let Err(stopped) = R::Code::wait(reading).await? else {
        return Err(Miss::Failed("what does not end has ended".to_owned()));
    };
    let after = blocks.load(Ordering::SeqCst) - before;
    ensure(after <= 1, || format!("{after} blocks were read after the cancel"))?;
    by_hand(Err(stopped), &token)?.since(cancelled)
}

// Back and forth ------------------------------------------------------------------------------------------------------

/// A task waits for a worker that blocks on async code: the cancel comes out at the bottom and goes up through both.
async fn async_in_sync_in_async<R: Runtime>() -> Checked {
    let token = CancellationToken::new();
    let (begun, began) = begun();
    let task = R::spawn(R::Code::under(token.clone(), async {
        let worker = R::spawn_blocking(|| pollster::block_on(wait::<Suspends>(begun)));
        R::Code::wait(worker).await
    }));
    ensure(R::Code::wait(began).await? == token, || {
        "another token at the bottom".to_owned()
    })?;
    let cancelled = cancel(&token);
    by_hand(R::Code::wait(task).await??, &token)?.since(cancelled)
}

/// A thread in a scope runs the runtime, and a task of that has a worker: the token goes all the way down.
fn sync_in_async_in_sync<R: Runtime>(runtime: &R) -> Checked {
    let token = CancellationToken::new();
    let (begun, began) = begun();
    let cancelled = cancel_from_a_thread(&token, began);
    let stop = token.sync_scope(|| {
        runtime.run(async {
            let task = R::spawn(async {
                let worker = R::spawn_blocking(|| spin(begun));
                R::Code::wait(worker).await
            });
            R::Code::wait(task).await
        })
    });
    ensure(current() == CancellationToken::never(), || {
        "the token stayed behind".to_owned()
    })?;
    by_hand(stop??, &token)?.since(pollster::block_on(cancelled)?)
}

// Beside and below us -------------------------------------------------------------------------------------------------

/// A task that its runtime aborts takes its worker along.
async fn abort<R: Runtime>() -> Checked {
    if let Some(why) = R::NO_ABORT {
        return Err(Miss::NotHere(why));
    }
    let (begun, began) = begun();
    let (mut task, worker) = scope_with_worker::<R>(begun);
    let token = R::Code::wait(began).await?;
    let worker = R::Code::wait(worker).await?;
    let aborted = Instant::now();
    task.abort();
    let stopped = stopped_by(R::Code::wait(worker).await?, ReasonKind::Dropped, &token)?;
    ensure(R::Code::wait(task).await.is_err(), || {
        "the task was not aborted".to_owned()
    })?;
    stopped.since(aborted)
}

/// A task that waits for ever in a scope of its own, and that scope's worker, once there is one.
fn scope_with_worker<R: Runtime>(begun: Begun) -> (Task<Stop>, oneshot::Receiver<oneshot::Receiver<Stop>>) {
    let (tell, told) = oneshot::channel();
    let task = R::spawn(R::Code::scope(Scope::new(), async {
        drop(tell.send(worker::<R>(begun)));
        wait::<R::Code>(self::begun().0).await
    }));
    (task, told)
}

/// A runtime that is shut down takes its scopes along, and their workers; one that lets its tasks live on does not, and a
/// cancel reaches them as ever.
fn shutdown<R: Runtime>() -> Checked {
    if let Shutdown::Impossible(why) = R::SHUTDOWN {
        return Err(Miss::NotHere(why));
    }
    let runtime = R::start_own();
    let (begun, began) = begun();
    let (task, token, worker) = runtime.run(async {
        let (task, worker) = scope_with_worker::<R>(begun);
        let token = R::Code::wait(began).await?;
        Ok::<_, Miss>((task, token, R::Code::wait(worker).await?))
    })?;
    let shut_down = Instant::now();
    drop(runtime);
    if R::SHUTDOWN == Shutdown::DropsTasks {
        let stopped = stopped_by(pollster::block_on(worker)?, ReasonKind::Dropped, &token)?;
        ensure(pollster::block_on(task).is_err(), || {
            "the task outlived its runtime".to_owned()
        })?;
        return stopped.since(shut_down);
    }
    ensure(!token.is_cancelled(), || {
        "the scope did not outlive its runtime".to_owned()
    })?;
    let cancelled = cancel(&token);
    by_hand(pollster::block_on(worker)?, &token)?.since(cancelled)?;
    by_hand(pollster::block_on(task)?, &token)?.since(cancelled)
}
