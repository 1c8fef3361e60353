//! Helpers shared by the suites: runtimes to run on, wakers that count, futures that are pending to order.

#[cfg(unix)]
pub mod fence;
pub mod step;
pub mod wakers;

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Wake, Waker};

pub use cancelable::testing::CountingWaker;
use cancelable::{CancellationToken, ReasonKind};
use futures::executor::{LocalPool, ThreadPool};

/// Where a test runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// tokio, two workers; the test is a spawned task.
    TokioMultiThread,
    /// tokio, everything on the calling thread.
    TokioCurrentThread,
    /// tokio without its time driver (and without its I/O driver).
    TokioWithoutTime,
    /// smol's global executor.
    Smol,
    /// `futures::executor::LocalPool`.
    LocalPool,
    /// `futures::executor::ThreadPool`.
    ThreadPool,
    /// No executor, just a thread that polls one future.
    BlockOn,
    /// compio, on io_uring; the test is a spawned task.
    #[cfg(target_os = "linux")]
    Compio,
}

impl Runtime {
    /// All of them.
    pub const ALL: [Self; if cfg!(target_os = "linux") { 8 } else { 7 }] = [
        Self::TokioMultiThread,
        Self::TokioCurrentThread,
        Self::TokioWithoutTime,
        Self::Smol,
        Self::LocalPool,
        Self::ThreadPool,
        Self::BlockOn,
        #[cfg(target_os = "linux")]
        Self::Compio,
    ];

    /// Runs `future` to its end.
    ///
    /// # Panics
    ///
    /// If `future` does, or if the runtime cannot be built.
    pub fn run<F>(self, future: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        use tokio::runtime::Builder;
        match self {
            Self::TokioMultiThread => {
                let runtime = Builder::new_multi_thread()
                    .worker_threads(2)
                    .enable_all()
                    .build()
                    .expect("tokio");
                match runtime.block_on(runtime.spawn(future)) {
                    Ok(output) => output,
                    Err(error) => resume_unwind(error.into_panic()),
                }
            }
            Self::TokioCurrentThread => Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("tokio")
                .block_on(future),
            Self::TokioWithoutTime => Builder::new_current_thread().build().expect("tokio").block_on(future),
            Self::Smol => smol::block_on(smol::spawn(future)),
            Self::LocalPool => LocalPool::new().run_until(future),
            Self::ThreadPool => {
                let pool = ThreadPool::builder().pool_size(2).create().expect("pool");
                let (tx, rx) = std::sync::mpsc::channel();
                pool.spawn_ok(async move {
                    let output = CatchUnwind(Box::pin(future)).await;
                    drop(tx.send(output));
                });
                match rx.recv().expect("the task ends") {
                    Ok(output) => output,
                    Err(panic) => resume_unwind(panic),
                }
            }
            Self::BlockOn => futures::executor::block_on(future),
            #[cfg(target_os = "linux")]
            Self::Compio => {
                use compio::runtime::{JoinError, Runtime};
                let runtime = Runtime::new().expect("compio");
                match runtime.block_on(runtime.spawn(future)) {
                    Ok(output) => output,
                    Err(JoinError::Panicked(panic)) => resume_unwind(panic),
                    Err(error) => panic!("{error}"),
                }
            }
        }
    }
}

/// A panic of the future as a value.
struct CatchUnwind<F>(Pin<Box<F>>);

impl<F: Future> Future for CatchUnwind<F> {
    type Output = std::thread::Result<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Runs the same test on every runtime, and says on which it failed.
///
/// # Panics
///
/// If the test does.
pub fn on_every_runtime<F, Fut>(test: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    for runtime in Runtime::ALL {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| runtime.run(test()))) {
            eprintln!("failed on {runtime:?}");
            resume_unwind(panic);
        }
    }
}

/// Polls once with a waker.
pub fn poll_with<F: Future + ?Sized>(future: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

/// Polls once with a waker that does nothing.
pub fn poll_once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    poll_with(future, Waker::noop())
}

/// A waker that does nothing but run `f` whenever it is cloned.
pub fn waker_that_is_cloned_with(f: impl Fn() + Send + Sync + 'static) -> Waker {
    struct OnClone(Box<dyn Fn() + Send + Sync>);
    const VTABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            // SAFETY: as below; the clone is a second reference.
            unsafe { Arc::increment_strong_count(data.cast::<OnClone>()) };
            // SAFETY: as below, and kept by the waker that is being cloned.
            (unsafe { &*data.cast::<OnClone>() }.0)();
            RawWaker::new(data, &VTABLE)
        },
        // SAFETY: as below; waking by value gives the reference up.
        |data| drop(unsafe { Arc::from_raw(data.cast::<OnClone>()) }),
        |_| {},
        // SAFETY: as below.
        |data| drop(unsafe { Arc::from_raw(data.cast::<OnClone>()) }),
    );
    let data = Arc::into_raw(Arc::new(OnClone(Box::new(f))));
    // SAFETY: the table treats the pointer as the reference to an `Arc<OnClone>` that it is.
    unsafe { Waker::from_raw(RawWaker::new(data.cast(), &VTABLE)) }
}

/// Pending for `n` polls (waking its task each time), then ready with `value`.
#[derive(Debug)]
pub struct PollN<T> {
    left: usize,
    value: Option<T>,
}

/// A future that is ready on its `n + 1`st poll.
pub fn ready_after<T>(n: usize, value: T) -> PollN<T> {
    PollN {
        left: n,
        value: Some(value),
    }
}

impl<T: Unpin> Future for PollN<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        if self.left == 0 {
            return Poll::Ready(self.value.take().expect("polled after it was ready"));
        }
        self.left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// Sets a flag when it is dropped.
#[derive(Debug)]
pub struct DropFlag(pub Arc<AtomicUsize>);

impl Drop for DropFlag {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// An executor that polls inside the waker: the worst moment there is, between two wake-ups of the same cancel.
pub struct PollsInWaker<T> {
    future: Mutex<Option<Pin<Box<dyn Future<Output = T> + Send>>>>,
    again: AtomicBool,
    output: Mutex<Option<T>>,
}

impl<T: Send + 'static> PollsInWaker<T> {
    /// Polls for the first time.
    pub fn start(future: impl Future<Output = T> + Send + 'static) -> Arc<Self> {
        let this = Arc::new(Self {
            future: Mutex::new(Some(Box::pin(future))),
            again: AtomicBool::new(false),
            output: Mutex::new(None),
        });
        this.wake_by_ref();
        this
    }

    /// The output, once there is one.
    ///
    /// # Panics
    ///
    /// If the future did.
    pub fn take_output(&self) -> Option<T> {
        self.output.lock().expect("no panic").take()
    }
}

impl<T: Send + 'static> Wake for PollsInWaker<T> {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.again.store(true, Ordering::SeqCst);
        // Polling already, further up the stack: that poll will go round again.
        let Ok(mut future) = self.future.try_lock() else { return };
        while self.again.swap(false, Ordering::SeqCst) {
            let Some(running) = future.as_mut() else { return };
            let waker = Waker::from(Arc::clone(self));
            if let Poll::Ready(output) = running.as_mut().poll(&mut Context::from_waker(&waker)) {
                *self.output.lock().expect("no panic") = Some(output);
                *future = None;
            }
        }
    }
}

impl<T> std::fmt::Debug for PollsInWaker<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PollsInWaker").finish_non_exhaustive()
    }
}

/// The kind of the reason it was cancelled for.
pub fn kind(token: &CancellationToken) -> Option<ReasonKind> {
    token.reason().map(|reason| reason.kind())
}

/// A runtime of tokio's whose clock stands still until all tasks wait for it.
///
/// # Panics
///
/// If it cannot be built.
pub fn paused_tokio() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap()
}

/// How many children the token has, as its `Debug` output tells.
///
/// # Panics
///
/// If it is cancelled: then it has none.
pub fn children(token: &CancellationToken) -> String {
    let text = format!("{token:?}");
    text.split("children: ")
        .nth(1)
        .unwrap()
        .trim_end_matches(" }")
        .to_owned()
}
