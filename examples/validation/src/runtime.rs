//! What a scenario asks of a runtime.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use cancelable::testing::Clock;
use cancelable::{CancelFutureExt as _, CancellationToken, Cancelled, FromCancelled, Scope, blocking_sleep, sleep};
use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::select;

/// A way to run code: an executor with its tasks, or threads.
///
/// A scenario's main future is run by [`run`](Self::run); the functions without `self` are for code that is being run.
pub trait Runtime: Sized + 'static {
    /// What it is called, in two lines of a table's head.
    const NAME: [&'static str; 2];

    /// How code stops in it.
    type Code: Code;

    /// Why a task of it cannot be dropped from outside, if that is so.
    const NO_ABORT: Option<&'static str> = None;

    /// What becomes of its tasks when it is shut down.
    const SHUTDOWN: Shutdown = Shutdown::DropsTasks;

    /// Starts it.
    fn start() -> Self;

    /// Starts one that dropping shuts down, where that is not any.
    #[must_use]
    fn start_own() -> Self {
        Self::start()
    }

    /// Runs `main` in it to its end, and the tasks that `main` spawns.
    fn run<F>(&self, main: F) -> F::Output
    where
        F: Future<Output: Send> + Send;

    /// Spawns a task with the ambient token of this code, which is that of a scenario's main future.
    fn spawn<F>(task: F) -> Task<F::Output>
    where
        F: Future<Output: Send> + Send + 'static;

    /// Runs `f` where it may block, with the ambient token of this code. A thread, unless the runtime has its own for that.
    fn spawn_blocking<T, F>(f: F) -> Task<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        on_a_thread(f)
    }

    /// A clock that stands still until it is moved, for code on this runtime.
    #[must_use]
    fn virtual_clock() -> VirtualClock {
        VirtualClock::Hand(Clock::new())
    }
}

/// What becomes of suspended tasks when their runtime is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// They are dropped.
    DropsTasks,
    /// They live on, and are still polled when they are woken.
    LetsTasksRun,
    /// It cannot be.
    Impossible(&'static str),
}

/// Code of one colour: how it waits, opens a scope, and leaves one.
///
/// A scenario is one async function for both colours. Where code blocks, none of its futures is ever pending: each wait
/// blocks the thread inside its first poll, and a scope is [`Scope::run_sync`]. So the awaits of the scenario cost nothing
/// and suspend nothing there, and what runs is the sync half of the library.
pub trait Code: 'static {
    /// Waits until the time is up or the ambient token cancelled.
    fn sleep(after: Duration) -> impl Future<Output = Result<(), Cancelled>> + Send;

    /// Waits for a future that is not ours, and is no check point.
    fn wait<F>(future: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future + Send;

    /// Runs `body` in a scope.
    fn scope<F>(scope: Scope, body: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future<Output: FromCancelled + Send> + Send;

    /// Runs `body` with an ambient token.
    fn under<F>(token: CancellationToken, body: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future<Output: Send> + Send;

    /// Runs `body` in a scope, and then leaves the scope without an end: async code by dropping it, where it is suspended;
    /// sync code by a panic. Returns what `body` did, and when the scope was left. `None` if it did not come to that.
    fn abandon<F>(scope: Scope, body: F) -> impl Future<Output = Option<(F::Output, Instant)>> + Send
    where
        F: Future<Output: Send> + Send;
}

/// Code that suspends.
#[derive(Debug)]
pub enum Suspends {}

impl Code for Suspends {
    fn sleep(after: Duration) -> impl Future<Output = Result<(), Cancelled>> + Send {
        sleep(after)
    }

    fn wait<F>(future: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future + Send,
    {
        future
    }

    fn scope<F>(scope: Scope, body: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future<Output: FromCancelled + Send> + Send,
    {
        scope.run(body)
    }

    async fn under<F>(token: CancellationToken, body: F) -> F::Output
    where
        F: Future<Output: Send> + Send,
    {
        token.scope(body).await
    }

    async fn abandon<F>(scope: Scope, body: F) -> Option<(F::Output, Instant)>
    where
        F: Future<Output: Send> + Send,
    {
        let (tell, told) = oneshot::channel();
        let running = Box::pin(scope.run(async {
            drop(tell.send(body.await));
            pending::<Result<(), Cancelled>>().await
        }));
        let (output, running) = match select(told, running).await {
            futures::future::Either::Left((told, running)) => (told.ok()?, running),
            futures::future::Either::Right(_) => return None,
        };
        let left = Instant::now();
        drop(running);
        Some((output, left))
    }
}

/// Code that blocks its thread.
#[derive(Debug)]
pub enum Blocks {}

impl Code for Blocks {
    async fn sleep(after: Duration) -> Result<(), Cancelled> {
        blocking_sleep(after)
    }

    async fn wait<F>(future: F) -> F::Output
    where
        F: Future + Send,
    {
        pollster::block_on(future)
    }

    async fn scope<F>(scope: Scope, body: F) -> F::Output
    where
        F: Future<Output: FromCancelled + Send> + Send,
    {
        scope.run_sync(|| at_once(body))
    }

    async fn under<F>(token: CancellationToken, body: F) -> F::Output
    where
        F: Future<Output: Send> + Send,
    {
        token.sync_scope(|| at_once(body))
    }

    async fn abandon<F>(scope: Scope, body: F) -> Option<(F::Output, Instant)>
    where
        F: Future<Output: Send> + Send,
    {
        let mut done = None;
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            scope.run_sync(|| -> Result<(), Cancelled> {
                done = Some((at_once(body), Instant::now()));
                // A panic, except that nobody prints it.
                resume_unwind(Box::new("the scope is left"))
            })
        }));
        done.filter(|_| unwound.is_err())
    }
}

/// Runs code that blocks.
///
/// # Panics
///
/// If it suspends.
pub fn at_once<F: Future>(code: F) -> F::Output {
    let mut code = pin!(code);
    code.as_mut().now_or_never().expect("code that blocks does not suspend")
}

/// A task or a thread: wait for it, or drop it from outside.
pub struct Task<T> {
    output: oneshot::Receiver<T>,
    abort: Option<Box<dyn FnOnce() + Send>>,
}

/// It ended without an output: it has panicked, or it was aborted.
#[derive(Debug, thiserror::Error)]
#[error("a task ended without an output")]
pub struct Lost;

impl<T> Task<T> {
    /// A task that sends its output, and what drops it.
    pub fn new(output: oneshot::Receiver<T>, abort: impl FnOnce() + Send + 'static) -> Self {
        Self {
            output,
            abort: Some(Box::new(abort)),
        }
    }

    /// Has the runtime drop it, suspended as it is. Without effect where the runtime [cannot](Runtime::NO_ABORT).
    pub fn abort(&mut self) {
        if let Some(abort) = self.abort.take() {
            abort();
        }
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Lost>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.output)
            .poll(cx)
            .map(|output| output.map_err(|_| Lost))
    }
}

impl<T> std::fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

/// Splits a task into one without an output and the receiver of that.
pub fn sending<F>(task: F) -> (impl Future<Output = ()> + Send + 'static, oneshot::Receiver<F::Output>)
where
    F: Future<Output: Send> + Send + 'static,
{
    let (tell, output) = oneshot::channel();
    (task.map(|output| drop(tell.send(output))), output)
}

/// The same with a closure.
pub fn telling<T, F>(f: F) -> (impl FnOnce() + Send + 'static, Task<T>)
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (tell, output) = oneshot::channel();
    (move || drop(tell.send(f())), Task { output, abort: None })
}

/// Runs `f` on a thread of its own, with the ambient token of this code.
pub fn on_a_thread<T, F>(f: F) -> Task<T>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let (f, task) = telling(f);
    cancelable::thread::spawn(f);
    task
}

/// A clock that stands still until it is moved.
#[derive(Debug)]
pub enum VirtualClock {
    /// The library's own.
    Hand(Clock),
    /// That of the tokio runtime we are in, now paused.
    Tokio(Paused),
}

/// While it lives, tokio's clock stands still.
#[derive(Debug)]
pub struct Paused(());

impl Paused {
    /// Pauses the clock of the current-thread runtime of tokio that this is run by.
    #[must_use]
    pub fn new() -> Self {
        tokio::time::pause();
        Self(())
    }
}

impl Default for Paused {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        tokio::time::resume();
    }
}

impl VirtualClock {
    /// Has code go by this clock.
    pub fn scope<F>(&self, code: F) -> impl Future<Output = F::Output> + Send + 'static
    where
        F: Future + Send + 'static,
    {
        let code = match self {
            Self::Hand(clock) => clock.scope(code).left_future(),
            Self::Tokio(_) => code.right_future(),
        };
        code.in_current_scope()
    }

    /// Moves it.
    pub async fn advance(&self, by: Duration) {
        match self {
            Self::Hand(clock) => clock.advance(by),
            Self::Tokio(_) => tokio::time::advance(by).await,
        }
    }
}
