//! Taking the ambient token along to another thread.

use super::current::current;
use super::slot::{self, About, Frame, Outside};
use crate::runtime::Task;
use crate::token::CancellationToken;

/// The ambient token with the name and the grace of its scope, to be made ambient somewhere else.
pub(crate) struct Carried {
    token: CancellationToken,
    about: About,
}

impl Carried {
    pub(crate) fn from_here() -> Self {
        Self {
            token: current(),
            about: slot::with_frame_of(Task::current(), |frame| About {
                outside: Outside::Stranger,
                name: None,
                above: frame.map(Frame::path).unwrap_or_default(),
                grace: frame.and_then(Frame::grace),
            }),
        }
    }

    pub(crate) fn into_parts(self) -> (CancellationToken, About) {
        (self.token, self.about)
    }

    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        // From nowhere to nowhere. (A thread pool may call this from within a scope, on a thread that waits for other work.)
        if self.token == CancellationToken::never() && slot::with(|frame| frame.is_none()) {
            return f();
        }
        Frame::new(&self.token, &self.about, None).of(Task::current()).enter(f)
    }
}

/// Wraps `f` so that it runs, wherever it is called, with the ambient token of the place where it was wrapped.
///
/// For thread pools and callbacks that this library does not know: `rayon::spawn(propagate(|| …))`. For a closure that is
/// called many times, see [`propagate_fn`].
///
/// ```
/// use cancelable::{CancellationToken, current, propagate};
///
/// let token = CancellationToken::new();
/// token.sync_scope(|| {
///     let elsewhere = std::thread::spawn(propagate(current));
///     assert_eq!(elsewhere.join().unwrap(), token);
/// });
/// ```
pub fn propagate<R>(f: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let carried = Carried::from_here();
    move || carried.run(f)
}

/// As [`propagate`], for a closure that is called many times, with an argument, by many threads at once perhaps: one that
/// goes through a parallel iterator, or that handles what comes in.
///
/// The type of the argument has to be written out; rustc does not see through the wrapping.
///
/// ```
/// # fn is_valid(record: &u64) -> bool { *record < 100 }
/// use cancelable::{Cancelled, Scope, check, propagate_fn};
/// use rayon::prelude::*;
///
/// let records: Vec<u64> = (0..100).collect();
/// let valid: Result<(), Cancelled> = Scope::new().run_sync(|| {
///     records.par_iter().try_for_each(propagate_fn(|record: &u64| {
///         check()?;
///         assert!(is_valid(record));
///         Ok(())
///     }))
/// });
/// assert!(valid.is_ok());
/// ```
///
/// (rayon's `try_…` methods start nothing new once an item has failed.)
pub fn propagate_fn<A, R>(f: impl Fn(A) -> R) -> impl Fn(A) -> R {
    let carried = Carried::from_here();
    move |argument| carried.run(|| f(argument))
}

impl CancellationToken {
    /// Runs `f` with this token as the ambient one.
    ///
    /// The outer code's token is back in place afterwards, also after a panic. To have a deadline or a name, or a token
    /// that ends with the block, use [`Scope::run_sync`](crate::Scope::run_sync).
    ///
    /// ```
    /// use cancelable::{CancellationToken, check};
    ///
    /// let token = CancellationToken::new();
    /// token.cancel();
    /// assert!(token.sync_scope(check).is_err());
    /// assert!(check().is_ok());
    /// ```
    ///
    /// Round a poll, as in a `poll_next` that is written by hand, it is right as well: what is annotated inside registers itself,
    /// and the cancel wakes the task.
    ///
    /// # Executors inside
    ///
    /// If `f` drives an executor (`runtime.block_on`, a `LocalSet`, a pool), it runs whatever tasks that has, also those of
    /// others. Tasks of tokio are told apart, with the feature `tokio`: a plainly spawned one has no ambient token in here. Those
    /// of other executors (smol's `LocalExecutor`, futures' `LocalPool`), and jobs that a waiting rayon worker takes up, are not.
    /// They have this token, and are cancelled by it. So open the scope inside the executor, round the request alone; or spawn
    /// such tasks with a scope of their own: [`in_current_scope`](crate::CancelFutureExt::in_current_scope), [`propagate`], or a
    /// [detached](crate::Scope::detached) scope.
    ///
    /// A stackful coroutine that suspends in `f` leaves the token in force on its thread until it is resumed or dropped.
    pub fn sync_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        Frame::new(self, About::GIVEN, None).of(Task::current()).enter(f)
    }
}
