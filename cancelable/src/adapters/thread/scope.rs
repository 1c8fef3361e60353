//! Scoped threads that end together.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::thread;

use crate::error::Cancelled;
use crate::park;
use crate::primitive::{Arc, Mutex, lock};
use crate::scope::{self, GroupShared, TaskError};
use crate::token::CancellationToken;

/// As [`std::thread::scope`], with the rules of a [`TaskGroup`](super::TaskGroup): threads that borrow, that inherit the scope, and of
/// which the first failure or panic ends the others. All have ended when it returns, whichever way that is.
///
/// The body runs on this thread, and gets a [`Scope`] to start threads with. What they return is had by
/// [`join`](ScopedJoinHandle::join); a thread that nobody joins is waited for at the end, and its error is not lost.
///
/// ```
/// use cancelable::{cancelable, check, thread};
///
/// type Error = Box<dyn std::error::Error + Send + Sync>;
///
/// #[cancelable]
/// fn total(prices: &[u32]) -> Result<u32, Error> {
///     let mut total = 0_u32;
///     for price in prices {
///         total = total.checked_add(*price).ok_or("too dear")?;
///     }
///     Ok(total)
/// }
///
/// let prices = vec![1, 2, 3, 4];
/// let sum = thread::scope(|s| {
///     let (left, right) = prices.split_at(2);                  // borrowed
///     let left = s.spawn(|| total(left));
///     Ok(total(right)? + left.join()?)
/// });
/// assert_eq!(sum.unwrap(), 10);
///
/// let failed = thread::scope(|s| {
///     s.spawn(|| total(&[u32::MAX, 1]));
///     s.spawn(|| -> Result<(), Error> { loop { check()? } });      // ended by the failure of the other
///     Ok(())
/// });
/// assert_eq!(failed.unwrap_err().to_string(), "too dear");
/// ```
///
/// # Errors
///
/// The first failure, of the body or of a thread. If that is a thread's, and the body has [taken](ScopedJoinHandle::join) it, what the
/// body returns counts. `E`'s form of [`Cancelled`] if the scope was cancelled before the body started.
///
/// # Panics
///
/// With the panic of the body, or else of a thread, when all threads have ended.
#[track_caller]
pub fn scope<'env, R, E, F>(body: F) -> Result<R, E>
where
    E: From<Cancelled> + Send + 'static,
    F: for<'a, 'scope> FnOnce(&'a Scope<'scope, 'env, E>) -> Result<R, E>,
{
    let location = Location::caller();
    scope::Scope::new().run_sync_with(|token| {
        let shared = GroupShared::new(token.clone(), location);
        thread::scope(|threads| {
            let scope = Scope {
                threads,
                shared: Arc::clone(&shared),
            };
            run_body(&shared, || body(&scope))
        })
    })
}

/// Runs the body of a group, on this thread, and waits for all threads of the group, whichever way it ends.
pub(super) fn run_body<T, R, E>(shared: &GroupShared<T, E>, body: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
    let body = catch_unwind(AssertUnwindSafe(body));
    let mut leaving = shared.body_over(body);
    loop {
        park::block_on(poll_fn(|cx| shared.poll_idle(cx)));
        if leaving.is_over(shared) {
            return leaving.settle();
        }
    }
}

/// Where threads are started that borrow; handed to the body of [`scope()`].
///
/// A thread that starts others takes a clone along.
pub struct Scope<'scope, 'env: 'scope, E> {
    threads: &'scope thread::Scope<'scope, 'env>,
    shared: Arc<GroupShared<(), E>>,
}

impl<'scope, 'env, E: From<Cancelled> + Send + 'static> Scope<'scope, 'env, E> {
    /// Starts a thread. Its check points notice when the scope is cancelled, or another thread of it has failed.
    ///
    /// # Panics
    ///
    /// As [`std::thread::Scope::spawn`], if the system has no thread to give; see
    /// [`Builder::spawn_scoped`](super::Builder::spawn_scoped).
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> ScopedJoinHandle<'scope, T, E>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_with(thread::Builder::new(), f)
            .expect("failed to spawn thread")
    }

    #[track_caller]
    pub(super) fn spawn_with<F, T>(&self, builder: thread::Builder, f: F) -> io::Result<ScopedJoinHandle<'scope, T, E>>
    where
        F: FnOnce() -> Result<T, E> + Send + 'scope,
        T: Send + 'scope,
    {
        let value = Arc::new(Mutex::new(None));
        let place = Arc::clone(&value);
        let member = self.shared.enlist(Location::caller());
        // Shared with the thread, so that it can be taken back if there is none.
        let task = Arc::new(Mutex::new(Some((member, f))));
        let shared_task = Arc::clone(&task);
        let spawned = builder.spawn_scoped(self.threads, move || {
            if let Some((member, f)) = take(&shared_task) {
                member.run(|| {
                    *lock(&place) = Some(f()?);
                    Ok(())
                });
            }
        });
        match spawned {
            Ok(thread) => Ok(ScopedJoinHandle {
                thread,
                value,
                shared: Arc::clone(&self.shared),
            }),
            Err(error) => {
                if let Some((member, _)) = take(&task) {
                    member.withdraw();
                }
                Err(error)
            }
        }
    }

    /// The scope's token: cancel it to cancel all threads, and the body.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        self.shared.token()
    }
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    lock(place).take()
}

impl<E> Clone for Scope<'_, '_, E> {
    fn clone(&self) -> Self {
        Self {
            threads: self.threads,
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<E> fmt::Debug for Scope<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("token", self.shared.token())
            .finish_non_exhaustive()
    }
}

/// A thread of a [`scope()`]. Dropping it changes nothing: the thread is waited for at the end.
pub struct ScopedJoinHandle<'scope, T, E> {
    thread: thread::ScopedJoinHandle<'scope, ()>,
    value: Arc<Mutex<Option<T>>>,
    shared: Arc<GroupShared<(), E>>,
}

impl<T, E: From<Cancelled>> ScopedJoinHandle<'_, T, E> {
    /// Waits for the thread to end, and gives what it returned.
    ///
    /// Under a cancelled scope it goes on waiting: the thread is on its way out.
    ///
    /// # Errors
    ///
    /// If the thread has failed: the first failure of the scope, which may be another thread's that has ended this one, and which is
    /// taken by this. Once that is taken, one that followed from it.
    ///
    /// # Panics
    ///
    /// If a thread of the scope has panicked, with its panic.
    #[track_caller]
    pub fn join(self) -> Result<T, E> {
        // Its panics are in the group.
        drop(self.thread.join());
        if let Some(value) = take(&self.value) {
            return Ok(value);
        }
        Err(match self.shared.take_failure() {
            Some(failure) => TaskError::or_resume(failure),
            // Another thread waits for this one while the scope itself is being left, with the failure.
            None => E::from(match self.shared.token().check() {
                Err(cancelled) => cancelled,
                Ok(()) => Cancelled::dropped(Location::caller()),
            }),
        })
    }
}

impl<T, E> ScopedJoinHandle<'_, T, E> {
    /// As [`std::thread::ScopedJoinHandle::is_finished`].
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// The thread: its name, its id, and a way to unpark it.
    #[must_use]
    pub fn thread(&self) -> &thread::Thread {
        self.thread.thread()
    }
}

impl<T, E> fmt::Debug for ScopedJoinHandle<'_, T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle")
            .field("thread", self.thread())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
