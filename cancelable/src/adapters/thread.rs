//! Plain threads that belong to a scope, alone or in groups, and what they wait with.
//!
//! **Plain `std::thread::spawn` loses the scope.** Such a thread has no ambient token. Its check points never fail, and it runs to
//! its end whatever is cancelled. No error or warning says so. [`spawn`] takes the scope along; for threads that a pool starts,
//! [`propagate`](crate::propagate()) does:
//!
//! ```
//! use cancelable::{Cancelled, cancelable, thread};
//!
//! #[cancelable]
//! fn count(to: u64) -> Result<u64, Cancelled> {
//!     let mut n = 0;
//!     while n < to {                              // checked at every iteration
//!         n += 1;
//!     }
//!     Ok(n)
//! }
//!
//! #[cancelable(timeout = "20ms")]                 // opens a scope, which the thread takes along
//! fn answer() -> Result<u64, Cancelled> {
//!     thread::spawn(|| count(u64::MAX)).join().expect("it does not panic")
//! }
//! assert!(answer().unwrap_err().is_timeout());
//! ```
//!
//! # Waiting
//!
//! A thread that waits for something a cancel should end waits here: [`block_on`] for any future, and so for every channel
//! with an async receive; [`JoinHandle::wait`] for another thread; [`blocking_sleep`](crate::blocking_sleep) for a while;
//! [`CancellationToken::wait`] for the cancel alone. All of them park the thread, and the cancel unparks it: none looks at
//! the token now and then.
//!
//! What blocks in its own way can be woken by a [callback](CancellationToken::on_cancel) of the token. That callback drops
//! the sender of a channel that crossbeam's `select!` listens to, sends a last message into a channel of the standard
//! library, shuts a socket down:
//!
//! ```
//! use cancelable::{CancellationToken, Cancelled, check, current};
//! use std::sync::mpsc;
//!
//! enum Message {
//!     Job(u32),
//!     Cancelled,
//! }
//!
//! fn sum(jobs: &mpsc::Receiver<Message>, own: mpsc::Sender<Message>) -> Result<u32, Cancelled> {
//!     let _waking = current().on_cancel(move |_| drop(own.send(Message::Cancelled)));
//!     let mut sum = 0;
//!     while let Ok(Message::Job(n)) = jobs.recv() {
//!         check()?;
//!         sum += n;
//!     }
//!     check()?;
//!     Ok(sum)
//! }
//!
//! let (jobs, received) = mpsc::channel();
//! let own = jobs.clone();
//! let token = CancellationToken::new();
//! let worker = token.sync_scope(|| cancelable::thread::spawn(move || sum(&received, own)));
//! jobs.send(Message::Job(1)).unwrap();
//! token.cancel();
//! assert!(worker.join().unwrap().is_err());
//! ```
//!
//! What nobody can wake, a `read_line` of standard input for one, is [left behind](abandon).

mod scope;

use std::fmt;
use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::panic::Location;
use std::thread;

use self::scope::run_body;
pub use self::scope::{Scope, ScopedJoinHandle, scope};
pub use super::abandon::{ABANDON_LIMIT, abandon, abandon_async, abandoned};
use crate::context::{current, propagate_apart};
use crate::error::Cancelled;
use crate::park;
use crate::primitive::Arc;
use crate::scope::{self as scopes, GroupShared, TaskError, WithCancellation, run_blocking};
use crate::token::CancellationToken;

/// Starts a thread that has the ambient token of this one: its check points notice when the scope is cancelled, dropped
/// or over.
///
/// The scope does not wait for it; [`JoinHandle::join`] does, and a [`TaskGroup`] for several. Plain `std::thread::spawn` in its
/// place loses the scope: the thread's check points never fail.
///
/// # Panics
///
/// As [`std::thread::spawn`], if the system has no thread to give.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, check};
///
/// let token = CancellationToken::new();
/// let worker = token.sync_scope(|| {
///     cancelable::thread::spawn(|| -> Result<(), Cancelled> { loop { check()?; } })
/// });
/// token.cancel();
/// assert!(worker.join().unwrap().is_err());
/// ```
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(f).expect("failed to spawn thread")
}

/// A thread with a name, or a stack of another size: [`std::thread::Builder`], for threads that inherit the scope.
///
/// ```
/// use cancelable::{CancellationToken, current, thread::Builder};
///
/// # fn main() -> std::io::Result<()> {
/// let token = CancellationToken::new();
/// let worker = token.sync_scope(|| Builder::new().name("worker".into()).stack_size(128 * 1024).spawn(current))?;
/// assert_eq!(worker.thread().name(), Some("worker"));
/// assert_eq!(worker.join().unwrap(), token);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it starts no thread by itself"]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
}

impl Builder {
    /// One without a name, and with a stack of the usual size.
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the thread, for its panics and for debuggers. (For the name that errors tell of, name the [scope](crate::Scope::name).)
    pub fn name(self, name: String) -> Self {
        let name = Some(name);
        Self { name, ..self }
    }

    /// The size of the thread's stack, in bytes. The system may round it up.
    pub fn stack_size(self, bytes: usize) -> Self {
        let stack_size = Some(bytes);
        Self { stack_size, ..self }
    }

    fn into_std(self) -> thread::Builder {
        let mut builder = thread::Builder::new();
        if let Some(name) = self.name {
            builder = builder.name(name);
        }
        if let Some(bytes) = self.stack_size {
            builder = builder.stack_size(bytes);
        }
        builder
    }

    /// As [`spawn`].
    ///
    /// # Errors
    ///
    /// If the system has no thread to give.
    ///
    /// # Panics
    ///
    /// If the name has a null byte in it.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let over = CancellationToken::new();
        let at_end = over.clone().drop_guard();
        let f = propagate_apart(f);
        let thread = self.into_std().spawn(move || {
            let _at_end = at_end;
            f()
        })?;
        Ok(JoinHandle { thread, over })
    }

    /// As [`Scope::spawn`], for a thread of a [`scope()`].
    ///
    /// # Errors
    ///
    /// If the system has no thread to give. The scope goes on without it.
    ///
    /// # Panics
    ///
    /// If the name has a null byte in it.
    ///
    /// ```
    /// use cancelable::thread::{self, Builder};
    ///
    /// let name: std::io::Result<Option<String>> = thread::scope(|s| {
    ///     let worker = Builder::new().name("worker".into()).spawn_scoped(s, || Ok(std::thread::current().name().map(str::to_owned)))?;
    ///     worker.join()
    /// });
    /// assert_eq!(name.unwrap().as_deref(), Some("worker"));
    /// ```
    #[track_caller]
    pub fn spawn_scoped<'scope, 'env, F, T, E>(
        self,
        scope: &Scope<'scope, 'env, E>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T, E>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
        E: From<Cancelled> + Send + 'static,
    {
        scope.spawn_with(self.into_std(), f)
    }
}

/// A thread that [`spawn`] started: the standard library's handle, and a way to wait that a cancel ends.
///
/// As with that, dropping it detaches the thread.
pub struct JoinHandle<T> {
    thread: thread::JoinHandle<T>,
    /// Cancelled when the thread's closure has returned or panicked: a moment that any number of waiters can wait for.
    over: CancellationToken,
}

impl<T> JoinHandle<T> {
    /// Waits for the thread to end, whatever becomes of the ambient token, and gives what its closure returned.
    ///
    /// That is how to collect threads in cleanup: those of a cancelled scope are on their way out.
    ///
    /// # Errors
    ///
    /// The panic of the closure, as [`std::thread::JoinHandle::join`].
    ///
    /// # Panics
    ///
    /// On some platforms, if a thread joins itself.
    pub fn join(self) -> thread::Result<T> {
        self.thread.join()
    }

    /// Blocks this thread until the other one's closure has returned or panicked, or until the ambient token of this
    /// thread is cancelled, which wakes it at once. It takes nothing: whichever comes first, the handle still has
    /// everything, and after `Ok` [`join`](Self::join) returns without waiting for more than the thread's exit.
    ///
    /// # Errors
    ///
    /// [`Cancelled`], with the line of this call. As at every check point also if the token is cancelled already.
    ///
    /// ```
    /// use cancelable::{CancellationToken, blocking_sleep, sleep, thread};
    /// use std::time::Duration;
    ///
    /// let worker = thread::spawn(|| blocking_sleep(Duration::from_millis(5)).map(|()| "done"));
    /// let hasty = CancellationToken::new();
    /// hasty.cancel();
    /// assert!(hasty.sync_scope(|| worker.wait()).is_err());
    /// // Nothing is lost.
    /// worker.wait().unwrap();
    /// assert_eq!(worker.join().unwrap().unwrap(), "done");
    /// ```
    #[track_caller]
    pub fn wait(&self) -> Result<(), Cancelled> {
        block_on(self.over.cancelled())
    }

    /// A future that completes when the thread's closure has returned or panicked; to wait in async code, or for several.
    ///
    /// # Cancel safety
    ///
    /// Dropping it loses nothing.
    ///
    /// ```
    /// # futures::executor::block_on(async {
    /// let worker = cancelable::thread::spawn(|| 6 * 7);
    /// worker.finished().await;
    /// assert_eq!(worker.join().unwrap(), 42);
    /// # });
    /// ```
    pub fn finished(&self) -> impl Future<Output = ()> + Send {
        self.over.cancelled()
    }

    /// As [`std::thread::JoinHandle::is_finished`], which comes true a moment after [`wait`](Self::wait) has returned.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// The thread: its name, its id, and a way to unpark it.
    #[must_use]
    pub fn thread(&self) -> &thread::Thread {
        self.thread.thread()
    }

    /// The standard library's handle.
    #[must_use]
    pub fn into_std(self) -> thread::JoinHandle<T> {
        self.thread
    }
}

impl<T> From<JoinHandle<T>> for thread::JoinHandle<T> {
    fn from(handle: JoinHandle<T>) -> Self {
        handle.into_std()
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("thread", self.thread())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Blocks this thread until `future` is done, or until the ambient token is cancelled, which wakes it at once.
///
/// This is how a plain thread receives from a channel that it shares with async code, or with other threads: what it
/// needs of the channel is a receive that is a future, and flume, async-channel, tokio's and futures' channels all have
/// one. It works without a runtime, and for each of them alike, which a `select!` of one channel crate's own would not.
/// (For channels without such a receive, see the [module](self).)
///
/// It is what an annotated `.await` is, on a thread: the future goes first, so that nothing which is ready is lost; it is
/// dropped where it stands if it is pending under a cancelled token, unless something annotated or shielded in it is
/// still getting out; the ambient token is the ambient one in there too. To keep the future, hand it over by reference:
/// `block_on(&mut future)`.
///
/// A future that relies on a runtime (tokio's sockets and timers) has to be made within that runtime, which has to be
/// driven by some other thread. And do not call this in async code: it would block the executor.
///
/// If the future drives an executor (smol's `LocalExecutor::run`, a `LocalSet`), the tasks of that run in the scope, too, unless
/// they are tokio's: see [`CancellationToken::sync_scope`](CancellationToken#executors-inside).
///
/// # Errors
///
/// [`Cancelled`], with the line of this call, if the ambient token is cancelled before the first poll or while the future
/// is pending.
///
/// ```
/// use cancelable::{CancellationToken, Cancelled, thread};
///
/// let (jobs, received) = flume::unbounded();
/// let token = CancellationToken::new();
/// let worker = token.sync_scope(|| {
///     thread::spawn(move || -> Result<u32, Cancelled> {
///         let mut sum = 0;
///         while let Ok(n) = thread::block_on(received.recv_async())? {
///             sum += n;
///         }
///         Ok(sum)
///     })
/// });
/// jobs.send(1).unwrap();
/// // The sender is still there, and yet the worker ends.
/// token.cancel();
/// assert!(worker.join().unwrap().is_err());
/// ```
#[track_caller]
pub fn block_on<F: IntoFuture>(future: F) -> Result<F::Output, Cancelled> {
    let token = current();
    let future = WithCancellation::here(future.into_future(), Location::caller());
    park::block_on_until(future, || token.look_at())
}

/// Threads that belong together: they inherit the scope, the first failure cancels the others, and their owner hears of
/// every one of them, of panics too.
///
/// It is the [`TaskGroup`](crate::TaskGroup) of async code with calls that block, and tells of tasks, errors and panics
/// what that does, except for one thing: a thread cannot be dropped. So leaving a group always waits for its threads:
///
/// - [`run`](Self::run) is a block that waits for them whichever way it is left;
/// - dropping a group cancels them, with kind [`Dropped`](crate::ReasonKind::Dropped), and waits.
///
/// In async code, use the group of your runtime, with its `spawn_blocking`.
///
/// ```
/// use cancelable::{Cancelled, check, thread::TaskGroup};
///
/// // Whoever finds it first ends the search of the others.
/// let mut group = TaskGroup::<u64, Cancelled>::new();
/// for start in [1, 500, 1000] {
///     group.spawn(move || {
///         let mut n: u64 = start;
///         while n * n != 1_048_576 {
///             check()?;
///             n += 1;
///         }
///         Ok(n)
///     });
/// }
/// let found = group.next().unwrap();
/// drop(group);
/// assert_eq!(found.unwrap(), 1024);
/// ```
pub struct TaskGroup<T, E> {
    shared: Arc<GroupShared<T, E>>,
}

impl<T, E> TaskGroup<T, E> {
    /// An empty group below the ambient token.
    #[must_use]
    #[track_caller]
    pub fn new() -> Self {
        Self::with(current().child_token(), Location::caller())
    }

    /// An empty group below this token, whatever the ambient one is.
    #[must_use]
    #[track_caller]
    pub fn below(parent: &CancellationToken) -> Self {
        Self::with(parent.child_token(), Location::caller())
    }

    fn with(token: CancellationToken, location: &'static Location<'static>) -> Self {
        Self {
            shared: GroupShared::new(token, location),
        }
    }

    /// Runs `body` with a group, on this thread, and waits for all threads of the group before it returns, whichever way
    /// that is. See [`TaskGroup::run`](crate::TaskGroup::run).
    ///
    /// ```
    /// use cancelable::{Cancelled, check, thread::TaskGroup};
    ///
    /// let result: Result<(), Cancelled> = TaskGroup::run(|group| {
    ///     group.spawn(|| -> Result<(), Cancelled> { loop { check()?; } });
    ///     group.token().cancel_with("enough");
    ///     Ok(())
    /// });
    /// assert_eq!(result.unwrap_err().reason().to_string(), "enough");
    /// ```
    ///
    /// # Errors
    ///
    /// The first failure. If that is a thread's, and the body has [taken](Self::next) it, what the body returns counts, and
    /// no error of a thread that this failure has cancelled. `E`'s form of [`Cancelled`] if the scope was cancelled before the body started.
    ///
    /// # Panics
    ///
    /// With the panic of the body, or else of a thread that the body has not taken, when all threads have ended.
    #[track_caller]
    pub fn run<R>(body: impl FnOnce(&mut Self) -> Result<R, E>) -> Result<R, E>
    where
        E: From<Cancelled>,
    {
        let location = Location::caller();
        scopes::Scope::new().run_sync_with(|token| {
            let mut group = Self::with(token.clone(), location);
            let shared = Arc::clone(&group.shared);
            run_body(&shared, || body(&mut group))
        })
    }

    /// Starts a thread.
    ///
    /// # Panics
    ///
    /// As [`std::thread::spawn`], if the system has no thread to give.
    #[track_caller]
    pub fn spawn<F>(&self, f: F)
    where
        F: FnOnce() -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<Cancelled> + Send + 'static,
    {
        thread::spawn(run_blocking(Arc::clone(&self.shared), f));
    }

    /// Blocks this thread until the next one of the group ends, and gives its result: in order of completion. `None` when
    /// no thread is left.
    ///
    /// Under a cancelled scope it goes on waiting, since the threads are on their way out and the first of them to fail
    /// says why.
    #[expect(
        clippy::should_implement_trait,
        reason = "named as in async groups; iterating would hide the blocking"
    )]
    pub fn next(&mut self) -> Option<Result<T, TaskError<E>>> {
        park::block_on(poll_fn(|cx| self.shared.poll_next(cx)))
    }

    /// Blocks this thread until all of the group have ended, and gives their values in order of spawning; without those
    /// that [`next`](Self::next) took.
    ///
    /// # Errors
    ///
    /// The first failure, in order of completion; but a panic comes before any error. It has cancelled the others, and
    /// they have ended. What they ended with is dropped.
    pub fn join(&mut self) -> Result<Vec<T>, TaskError<E>> {
        park::block_on(poll_fn(|cx| self.shared.poll_idle(cx)));
        self.shared.take_all()
    }

    /// The group's token: cancel it to cancel all threads.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        self.shared.token()
    }

    /// How many threads there are whose results have not been taken.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.len()
    }

    /// Is there none?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Cancels the threads, and waits for them.
impl<T, E> Drop for TaskGroup<T, E> {
    fn drop(&mut self) {
        self.shared.leave();
        park::block_on(poll_fn(|cx| self.shared.poll_idle(cx)));
    }
}

/// As [`TaskGroup::new`].
impl<T, E> Default for TaskGroup<T, E> {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T, E> fmt::Debug for TaskGroup<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("tasks", &self.len())
            .field("token", self.token())
            .finish()
    }
}
