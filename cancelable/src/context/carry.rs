//! The ambient context as a value, and taking it along to where other code runs.

use std::fmt;
use std::time::Duration;

use super::current::current;
use super::slot::{self, About, Frame, Outside};
use crate::meter::Origin;
use crate::observe::Observed;
use crate::path::ScopePath;
use crate::runtime::Task;
use crate::token::CancellationToken;

/// The ambient context as a value: the token, and the names and the [grace](crate::Scope::grace) of its scope.
///
/// It is how to take a scope to code that somebody else calls: a thread pool, a parallel iterator, a callback. Take it with
/// [`current`](Self::current) where the scope is, and [`run`](Self::run) there what belongs to the scope. `run` takes what is written
/// inside it, so the closure outside may have any shape: `Fn`, `FnMut` or `FnOnce`, with a reference, two arguments, or a
/// `rayon::Scope`, and rustc infers their types.
///
/// ```
/// use cancelable::{CancellationToken, Context, current};
/// use rayon::prelude::*;
///
/// let words = ["one", "two", "three"];
/// let token = CancellationToken::new();
/// let letters = token.sync_scope(|| {
///     let context = Context::current();
///     words
///         .par_iter()
///         .map(|word| context.run(|| {
///             assert_eq!(current(), token);                // on whichever thread
///             word.len()
///         }))
///         .reduce(|| 0, |a, b| context.run(|| a + b))
/// });
/// assert_eq!(letters, 11);
/// ```
///
/// For a future that is handed to somebody else there is [`scope`](Self::scope), for a stream
/// [`scope_stream`](Self::scope_stream); both with the ambient context, and for iterators,
/// [`in_current_scope`](crate::CancelFutureExt::in_current_scope). A closure as a whole is wrapped by [`propagate`] and
/// [`propagate_fn`].
///
/// A clone costs what clones of two `Arc`s do.
#[derive(Clone)]
pub struct Context {
    token: CancellationToken,
    about: About,
}

impl Context {
    /// That of code outside of every scope.
    #[cfg(feature = "rayon")]
    pub(crate) const NONE: &'static Self = &Self {
        token: CancellationToken::never(),
        about: About {
            outside: Outside::Stranger,
            name: None,
            above: crate::path::Path::none(),
            grace: None,
            catches: Some(false),
            observed: Observed::NONE,
        },
    };

    /// That of the code now running. Outside of every scope its token is [`never`](CancellationToken::never) cancelled.
    ///
    /// ```
    /// use cancelable::{CancellationToken, Cancelled, Context, cancel_scope};
    ///
    /// assert_eq!(*Context::current().token(), CancellationToken::never());
    /// let context = cancel_scope!(name = "load", { Ok::<_, Cancelled>(Context::current()) }).unwrap();
    /// assert_eq!(context.name(), Some("load"));
    /// assert!(context.token().is_cancelled(), "the scope has ended");
    /// ```
    #[must_use]
    pub fn current() -> Self {
        Self {
            token: current(),
            about: slot::with_frame_of(Task::current(), |frame| About {
                outside: Outside::Stranger,
                name: None,
                above: frame.map(Frame::path).unwrap_or_default(),
                grace: frame.and_then(Frame::grace),
                catches: frame.is_some_and(Frame::catches).then_some(true),
                observed: frame
                    .and_then(Frame::observed)
                    .map_or(Observed::NONE, Observed::carried),
            }),
        }
    }

    /// Its token: what is ambient inside [`run`](Self::run).
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// The name of the innermost scope that had one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.about.above.innermost()
    }

    /// The named scopes round it, outermost first: what the [path](crate::Cancelled::scope_path) of errors inside begins with.
    ///
    /// ```
    /// use cancelable::{Cancelled, Context, cancel_scope};
    ///
    /// let context = cancel_scope!(name = "serve", {
    ///     cancel_scope!(name = "request", { Ok::<_, Cancelled>(Context::current()) })
    /// });
    /// assert_eq!(context.unwrap().path().to_string(), "serve > request");
    /// ```
    #[must_use]
    pub fn path(&self) -> ScopePath<'_> {
        self.about.above.scopes()
    }

    /// How long what is cancelled inside may take to get out; `None`: as long as it takes.
    #[must_use]
    pub fn grace(&self) -> Option<Duration> {
        self.about.grace
    }

    /// Runs `f` in this context, here and now, and gives what it returns.
    ///
    /// It is no check point: `f` runs also if the token is cancelled, and notices by itself. The context of the code outside is back in
    /// place afterwards, also after a panic. Nothing is allocated or locked, so a context may be entered for each item of a loop.
    ///
    /// If `f` drives an executor, or waits in a plain `rayon::join`, others' work runs in here as well: see
    /// [`CancellationToken::sync_scope`](CancellationToken#executors-inside).
    ///
    /// ```
    /// use cancelable::{CancellationToken, Context, check};
    ///
    /// let token = CancellationToken::new();
    /// let context = token.sync_scope(Context::current);
    /// token.cancel();
    /// assert!(check().is_ok());
    /// assert!(context.run(check).is_err());
    /// ```
    #[inline]
    pub fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        // From nowhere to nowhere. (A thread pool may call this from within a scope, on a thread that waits for other work.)
        if self.token == CancellationToken::never()
            && self.about.catches.is_none()
            && slot::with(|frame| frame.is_none())
        {
            return f();
        }
        Frame::new(&self.token, &self.about, None).of(Task::current()).enter(f)
    }

    /// The same, of code that somebody outside catches who leaves by unwinding.
    pub(crate) fn catching(mut self) -> Self {
        self.about.catches = Some(true);
        self
    }

    /// The same, for a task or a thread of its own: nobody outside catches what unwinds there.
    fn apart(mut self) -> Self {
        self.about.catches = Some(false);
        self
    }

    pub(crate) fn into_parts(self) -> (CancellationToken, About) {
        let Self { token, about } = self.apart();
        (token, about)
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("token", &self.token)
            .field("path", &self.about.above)
            .field("grace", &self.about.grace)
            .finish()
    }
}

/// Wraps `f` so that it runs, wherever it is called, with the ambient context of the place where it was wrapped.
///
/// For thread pools and callbacks that this library does not know: `pool.execute(propagate(|| …))`. For a closure that is
/// called many times, see [`propagate_fn`]; for one of any other shape, [`Context::run`].
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
#[track_caller]
pub fn propagate<R>(f: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let (context, origin) = (Context::current(), Origin::caller());
    move || {
        let _announced = origin.announce();
        context.run(f)
    }
}

/// The same, for a thread or a job whose panics do not come back to the code round it.
#[track_caller]
pub(crate) fn propagate_apart<R>(f: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let (context, origin) = (Context::current().apart(), Origin::caller());
    move || {
        let _announced = origin.announce();
        context.run(f)
    }
}

/// As [`propagate`], for a closure that is called many times, with an argument, by many threads at once perhaps: one that
/// goes through a parallel iterator, or that handles what comes in.
///
/// The type of the argument has to be written out where it is a reference; rustc does not see through the wrapping.
/// [`Context::run`] inside the closure needs no types, and goes with any number of arguments.
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
#[track_caller]
pub fn propagate_fn<A, R>(f: impl Fn(A) -> R) -> impl Fn(A) -> R {
    let (context, origin) = (Context::current(), Origin::caller());
    move |argument| {
        let _announced = origin.announce();
        context.run(|| f(argument))
    }
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
