//! Calls that nobody can interrupt, on threads that are left behind.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use crate::context::{current, propagate};
use crate::error::Cancelled;
use crate::park;
use crate::scope::WithCancellation;
use crate::token::CancellationToken;

/// Runs a call that nobody can interrupt, on a thread of its own, and waits for it; after a cancel, no longer. The thread is left behind.
///
/// It is for a `read_line` of standard input, a name server that does not answer, a library in C. What can be woken had better be woken,
/// with a callback of the token, and what has loops had better check: see the [module](crate::thread).
///
/// The call has the ambient token, as one of [`spawn`](crate::thread::spawn) has. If it comes to its end after all, what it returns is dropped:
/// of `stdin().read_line(…)` that is the line, which nobody else will read. To keep it, let a thread of yours read, and send.
///
/// # How many
///
/// At most [`ABANDON_LIMIT`] of these calls run at the same time, those left behind included. With more, this one waits, as long as its
/// scope is not cancelled. [`abandoned`] says how many have been left behind and still run: for a metric, or a test. They end with the
/// process: `main` does not wait for them, nor does a runtime.
///
/// # Errors
///
/// [`Cancelled`], with the line of this call. If the scope is cancelled already, nothing is started.
///
/// # Panics
///
/// With the panic of the call; or as [`std::thread::spawn`], if the system has no thread to give. (A call that panics when it has been
/// left behind is reported by the panic hook alone.)
///
/// ```
/// use cancelable::{Cancelled, cancelable, thread};
/// use std::sync::mpsc;
///
/// #[cancelable(timeout = "10ms")]
/// fn ask(answers: mpsc::Receiver<String>) -> Result<Option<String>, Cancelled> {
///     thread::abandon(move || answers.recv().ok())        // as `stdin().read_line(…)`, it returns when somebody answers
/// }
///
/// let (sender, answers) = mpsc::channel();
/// assert!(ask(answers).unwrap_err().is_timeout());
/// drop(sender);               // now the call returns; so far it was one of those that `thread::abandoned()` counts
/// ```
#[track_caller]
pub fn abandon<T, F>(f: F) -> Result<T, Cancelled>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let token = current();
    park::block_on_until(run(f, Location::caller()), || token.look_at())
}

/// As [`abandon`], in async code, on any runtime. Nothing is started before the first poll.
///
/// tokio's own standard input and `spawn_blocking` hold up the end of the program: its runtime waits for them, cancelled or not. It does
/// not know of these threads.
///
/// # Cancel safety
///
/// If the future is dropped, the call is left behind, as by a cancel.
///
/// ```
/// use cancelable::{Cancelled, cancelable, thread};
/// use std::{io, time::Duration};
///
/// #[cancelable(timeout = "10ms")]
/// async fn line() -> Result<io::Result<String>, Cancelled> {
///     thread::abandon_async(|| {
///         let mut line = String::new();
///         # std::thread::sleep(Duration::from_millis(300));
///         # if true { return Ok(line) }
///         io::stdin().read_line(&mut line)?;
///         Ok(line)
///     })
///     .await
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert!(line().await.unwrap_err().is_timeout());
/// # });
/// ```
#[track_caller]
pub fn abandon_async<T, F>(f: F) -> impl Future<Output = Result<T, Cancelled>> + Send
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    run(f, Location::caller())
}

/// How many calls of [`abandon`] have been left behind in this process, and still run.
#[must_use]
pub fn abandoned() -> usize {
    LEFT_BEHIND.load(Ordering::Acquire)
}

/// How many calls of [`abandon`] run at the same time at most, those left behind included.
pub const ABANDON_LIMIT: usize = 256;

static LEFT_BEHIND: AtomicUsize = AtomicUsize::new(0);

async fn run<T, F>(f: F, location: &'static Location<'static>) -> Result<T, Cancelled>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let place = WithCancellation::here(Place::take(), location).await?;
    let call = Call::start(place, propagate(f));
    WithCancellation::here(call.over.cancelled(), location).await?;
    match call.end() {
        Some(Ok(value)) => Ok(value),
        Some(Err(panicked)) => resume_unwind(panicked),
        None => unreachable!("it is over, and nobody else takes what it returned"),
    }
}

/// A call, for whoever waits for it.
struct Call<T> {
    shared: Arc<Mutex<State<T>>>,
    over: CancellationToken,
}

enum State<T> {
    Runs,
    Ended(thread::Result<T>),
    /// Nobody waits.
    Left,
}

impl<T: Send + 'static> Call<T> {
    fn start(place: Place, f: impl FnOnce() -> T + Send + 'static) -> Self {
        let shared = Arc::new(Mutex::new(State::Runs));
        let over = CancellationToken::new();
        let (its_own, at_end) = (Arc::clone(&shared), over.clone().drop_guard());
        let builder = thread::Builder::new().name("cancelable-abandon".into());
        let started = builder.spawn(move || {
            let (_place, _at_end) = (place, at_end);
            let result = catch_unwind(AssertUnwindSafe(f));
            let mut state = lock(&its_own);
            if let State::Runs = *state {
                *state = State::Ended(result);
            } else {
                drop(state);
                // Dropped first: it may be what takes long.
                drop(catch_unwind(AssertUnwindSafe(|| drop(result))));
                LEFT_BEHIND.fetch_sub(1, Ordering::AcqRel);
            }
        });
        if let Err(error) = started {
            panic!("failed to spawn thread: {error}");
        }
        Self { shared, over }
    }
}

impl<T> Call<T> {
    fn end(self) -> Option<thread::Result<T>> {
        match std::mem::replace(&mut *lock(&self.shared), State::Left) {
            State::Ended(result) => Some(result),
            State::Runs | State::Left => None,
        }
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared);
        let left = std::mem::replace(&mut *state, State::Left);
        if let State::Runs = left {
            LEFT_BEHIND.fetch_add(1, Ordering::AcqRel);
        }
        drop(state);
        drop(left);
    }
}

/// One of as many as may run.
struct Place;

static PLACES: Mutex<Places> = Mutex::new(Places {
    taken: 0,
    waiting: Vec::new(),
});

struct Places {
    taken: usize,
    waiting: Vec<Waker>,
}

impl Place {
    fn take() -> impl Future<Output = Self> {
        poll_fn(Self::poll)
    }

    fn poll(cx: &mut Context<'_>) -> Poll<Self> {
        let mut places = lock(&PLACES);
        if places.taken < ABANDON_LIMIT {
            places.taken += 1;
            return Poll::Ready(Self);
        }
        if !places.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            places.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = lock(&PLACES);
        places.taken -= 1;
        let waiting = std::mem::take(&mut places.waiting);
        drop(places);
        waiting.into_iter().for_each(Waker::wake);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
