//! `Cancelled`, the error that a check point returns, and `FromCancelled`, how a return type makes room for it.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::cause::Cause;
use crate::check_point::CheckPoint;
use crate::path::{Path, ScopePath};
use crate::primitive::Arc as Shared;
use crate::reason::{CancelReason, ReasonKind};
use crate::story::Story;

/// The error of a check point that found its token cancelled.
///
/// It knows why (the [`CancelReason`], with the line that asked for it) and where it was noticed. It is one pointer
/// wide, as is `Result<(), Cancelled>`, so that passing it up with `?` costs what passing a pointer costs.
///
/// # What to show
///
/// Its text, by `{}`, is for logs: one line, with the source lines of both ends. By `{:#}` it is the [`report`](Self::report), of several
/// lines, and so it is by `{:?}`, which is what a `main` that returns it prints. Whoever is not to see source lines, a client or the user of a program, is shown the [`reason`](Self::reason):
///
/// ```
/// use cancelable::{CancellationToken, CancelReason};
///
/// let token = CancellationToken::new();
/// token.cancel_with(CancelReason::manual().with_message("user pressed stop"));
/// let error = token.check().unwrap_err();
/// let text = error.to_string();
/// assert!(text.starts_with("cancelled: user pressed stop, requested at "), "{text}");
/// assert_eq!(error.reason().to_string(), "user pressed stop");
/// ```
#[derive(Clone, thiserror::Error)]
#[error(transparent)]
pub struct Cancelled(Arc<Notice>);

/// What one check point saw.
#[derive(Clone)]
struct Notice {
    cause: Shared<Cause>,
    observed_at: &'static Location<'static>,
    point: CheckPoint,
    /// The annotated function that it is in.
    function: Option<&'static str>,
    /// The named scopes round it.
    path: Path,
    latency: Duration,
    forced: bool,
}

impl Cancelled {
    /// Noticed now.
    pub(crate) fn new(
        cause: Shared<Cause>,
        point: CheckPoint,
        observed_at: &'static Location<'static>,
        path: Path,
    ) -> Self {
        Self(Arc::new(Notice {
            latency: cause.elapsed(),
            cause,
            observed_at,
            point,
            function: None,
            path,
            forced: false,
        }))
    }

    fn notice_mut(&mut self) -> &mut Notice {
        Arc::make_mut(&mut self.0)
    }

    /// The same error, of a check point of this kind.
    #[cold]
    pub(crate) fn at(mut self, point: CheckPoint) -> Self {
        self.notice_mut().point = point;
        self
    }

    /// The same error, noticed in this function.
    #[cold]
    pub(crate) fn in_function(mut self, name: &'static str) -> Self {
        self.notice_mut().function = Some(name);
        self
    }

    /// What becomes of a task, started at `location`, that its runtime dropped.
    pub(crate) fn dropped(location: &'static Location<'static>) -> Self {
        let cause = Cause::plain(ReasonKind::Dropped, location);
        Self::new(Shared::new(cause), CheckPoint::Await, location, Path::none())
    }

    /// The same error, marked as the end of a body that outstayed its grace.
    pub(crate) fn forced(mut self) -> Self {
        self.notice_mut().forced = true;
        self
    }

    pub(crate) fn cause(&self) -> &Shared<Cause> {
        &self.0.cause
    }

    /// Why the token was cancelled.
    ///
    /// Its text is the form for clients and users: what happened, and to which scope, if that has a name; without source lines.
    ///
    /// ```
    /// use cancelable::{Cancelled, cancel_scope, check};
    ///
    /// let cancelled = cancel_scope!(timeout = "0s", name = "GET /orders/7", { check() }).unwrap_err();
    /// assert_eq!(cancelled.reason().to_string(), "timed out at once (scope \"GET /orders/7\")");
    /// ```
    #[must_use]
    pub fn reason(&self) -> &CancelReason {
        self.0.cause.reason()
    }

    /// Short for [`reason().kind()`](CancelReason::kind).
    #[must_use]
    pub fn kind(&self) -> ReasonKind {
        self.reason().kind()
    }

    /// Was it a timeout or a deadline?
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.kind() == ReasonKind::Timeout
    }

    /// What a program that was cancelled exits with: 124 after a timeout, 128 + n after signal n, otherwise 1. Short for
    /// [`reason().exit_code()`](CancelReason::exit_code); [`StatusTable`](crate::StatusTable) has the table, with HTTP and gRPC.
    ///
    /// ```
    /// use cancelable::{Cancelled, cancelable};
    /// use std::process::ExitCode;
    ///
    /// #[cancelable(timeout = "5ms")]
    /// fn work() -> Result<(), Cancelled> {
    ///     loop {}                                 // checked at every iteration
    /// }
    ///
    /// /// What `main` returns.
    /// fn run() -> ExitCode {
    ///     match work() {
    ///         Ok(()) => ExitCode::SUCCESS,
    ///         Err(cancelled) => {
    ///             eprintln!("{}", cancelled.reason());
    ///             cancelled.exit_code().into()
    ///         }
    ///     }
    /// }
    /// # run();
    /// assert_eq!(work().unwrap_err().exit_code(), 124);
    /// ```
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        self.reason().exit_code()
    }

    /// The line of the check point that noticed: the await, the loop, the `check()`.
    #[must_use]
    pub fn observed_at(&self) -> &'static Location<'static> {
        self.0.observed_at
    }

    /// The name of the scope whose cancel it was, wherever it was noticed: the one whose timeout ran out, that was dropped, that the
    /// signal or the source was given to, or whose token was cancelled. `None` if that was no scope (a token of one's own, a branch
    /// of a race, a group), or one without a name.
    ///
    /// To ask whether a particular scope's own cancel it was, compare tokens, with [`belongs_to`](Self::belongs_to).
    ///
    /// ```
    /// use cancelable::{Cancelled, cancel_scope, cancelable, sleep};
    /// use std::time::Duration;
    ///
    /// #[cancelable(name = "query")]
    /// async fn query() -> Result<(), Cancelled> {
    ///     sleep(Duration::MAX).await
    /// }
    ///
    /// # futures::executor::block_on(async {
    /// let handler = cancel_scope!(timeout = "50ms", name = "handler", async { query().await });
    /// let cancelled = handler.await.unwrap_err();
    /// assert_eq!(cancelled.scope_name(), Some("handler"));         // it is not the query that took too long
    /// assert_eq!(cancelled.reason().to_string(), "timed out after 50ms (scope \"handler\")");
    /// # });
    /// ```
    #[must_use]
    pub fn scope_name(&self) -> Option<&str> {
        self.0.cause.scope()
    }

    /// The named scopes round the check point that noticed, outermost first: where the code was. It leads through the tasks and
    /// threads that were started with their scope, and, for what was [taken along](crate::propagate), through where that was.
    ///
    /// ```
    /// use cancelable::{Cancelled, Scope, cancel_scope, check, thread};
    ///
    /// fn load() -> Result<(), Cancelled> {
    ///     cancel_scope!(name = "load", { loop { check()? } })
    /// }
    ///
    /// let request = Scope::new().name("request").run_sync_with(|token| {
    ///     let job = thread::spawn(load);
    ///     token.cancel();
    ///     job.join().unwrap()
    /// });
    /// let cancelled = request.unwrap_err();
    /// assert_eq!(cancelled.scope_path().to_string(), "request > load");
    /// assert_eq!(cancelled.scope_name(), Some("request"));
    /// ```
    #[must_use]
    pub fn scope_path(&self) -> ScopePath<'_> {
        self.0.path.scopes()
    }

    /// The kind of check point that noticed, which says whether anything had run.
    #[must_use]
    pub fn point(&self) -> CheckPoint {
        self.0.point
    }

    /// The annotated function that the check point is in, with its module and its type: `app::store::Store::load`. Of a `check()`, of a
    /// `wait()` for a thread, a `thread::block_on(…)` or `thread::abandon(…)`, or of a `sleep(…)` or `checkpoint()` that is awaited, the one that it stands in; of a `cancel_scope!`, the function round it, annotated or
    /// not. `None` elsewhere: of what checks in a function that is not annotated.
    ///
    /// It is for people, as [`std::any::type_name`] is: a method of a trait is `<app::Store as app::Load>::load`, type arguments are
    /// `_`, and another compiler may write it otherwise.
    ///
    /// ```
    /// mod store {
    ///     use cancelable::{Cancelled, cancelable, check};
    ///
    ///     pub struct Store;
    ///
    ///     impl Store {
    ///         #[cancelable]
    ///         pub fn load(&self) -> Result<(), Cancelled> {
    ///             loop {}
    ///         }
    ///     }
    /// }
    ///
    /// # use cancelable::{CancellationToken, Scope};
    /// let cancelled = Scope::new().timeout(std::time::Duration::from_millis(5)).run_sync(|| store::Store.load()).unwrap_err();
    /// assert!(cancelled.function().unwrap().ends_with("store::Store::load"));
    /// ```
    #[must_use]
    pub fn function(&self) -> Option<&'static str> {
        self.0.function
    }

    /// How long after the cancel it was noticed. For a timeout that is from its deadline on, whoever looked at the clock; and by the
    /// clock that the deadline goes by.
    ///
    /// ```
    /// use cancelable::CancellationToken;
    /// use std::time::{Duration, Instant};
    ///
    /// let token = CancellationToken::new();
    /// let before = Instant::now();
    /// token.cancel();
    /// std::thread::sleep(Duration::from_millis(5));                // the worker has better things to do than to check
    /// let cancelled = token.check().unwrap_err();
    /// assert!(cancelled.latency() >= Duration::from_millis(5));
    /// assert!(cancelled.latency() <= before.elapsed());
    /// ```
    #[must_use]
    pub fn latency(&self) -> Duration {
        self.0.latency
    }

    /// Was the body dropped because it had not finished within its scope's grace, or by the time a second signal ended that?
    #[must_use]
    pub fn was_forced(&self) -> bool {
        self.0.forced
    }

    /// All of this in several lines, for a terminal or a log: what happened and whose scope that was, which lines asked and noticed, what
    /// noticed and how far it had come, where that was, how long it took, and the errors behind it. `{:#}` of the error is the same.
    ///
    /// It has no line break at its end. What came from outside (names, messages, errors) takes no lines of its own.
    ///
    /// ```
    /// use cancelable::{Cancelled, cancelable};
    ///
    /// #[cancelable(name = "count", timeout = "5ms")]
    /// fn count() -> Result<(), Cancelled> {
    ///     loop {}
    /// }
    ///
    /// let cancelled = count().unwrap_err();
    /// eprintln!("{}", cancelled.report());
    /// # let report = cancelled.report().to_string();
    /// # assert!(report.starts_with("cancelled: timed out after 5ms (scope \"count\")\n  requested at "), "{report}");
    /// # assert_eq!(report, format!("{cancelled:#}"));
    /// ```
    /// ```text
    /// cancelled: timed out after 5ms (scope "count")
    ///   requested at     src/main.rs:3:31
    ///   noticed at       src/main.rs:5:5
    ///   by               a loop in app::count
    ///   in the scopes    count
    ///   after            1.2µs
    /// ```
    pub fn report(&self) -> impl fmt::Display + '_ {
        self.0.story()
    }
}

impl Notice {
    fn story(&self) -> Story<'_> {
        Story {
            reason: self.cause.reason(),
            observed_at: self.observed_at,
            point: self.point,
            function: self.function,
            path: self.path.scopes(),
            latency: self.latency,
            forced: self.forced,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let story = self.story();
        if f.alternate() {
            fmt::Display::fmt(&story, f)
        } else {
            story.line(f)
        }
    }
}

/// The source of a cancellation is the error that caused it, where there was one.
impl Error for Notice {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.reason().source().map(|error| error as _)
    }
}

impl fmt::Debug for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.story(), f)
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl From<Cancelled> for io::Error {
    /// Kind `TimedOut` for a timeout, `ConnectionAborted` for a dropped scope, `Other` otherwise; never
    /// `Interrupted`, which `read_exact`, `write_all` and `copy` of the standard library answer by trying again.
    fn from(cancelled: Cancelled) -> Self {
        let kind = match cancelled.kind() {
            ReasonKind::Timeout => io::ErrorKind::TimedOut,
            ReasonKind::Dropped => io::ErrorKind::ConnectionAborted,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, cancelled)
    }
}

/// A return type that can say "cancelled".
///
/// Implemented for `Result<T, E>` where `E: From<Cancelled>`, and for `Option<T>`, where a cancellation is `None`.
/// Implement it for a type of your own to let annotated functions and scopes return it.
///
/// ```
/// use cancelable::{Cancelled, FromCancelled};
///
/// enum Outcome { Done(u32), Stopped(Cancelled) }
///
/// impl FromCancelled for Outcome {
///     fn from_cancelled(c: Cancelled) -> Self { Outcome::Stopped(c) }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the return type `{Self}` cannot say that the function was cancelled",
    label = "has no room for `Cancelled`",
    note = "return a `Result<_, E>` where `E: From<cancelable::Cancelled>` (`Cancelled` itself will do) or an `Option<_>`",
    note = "an annotated function may say what to return instead, with `#[cancelable(or = …)]`; the body of a scope has to return one of these"
)]
pub trait FromCancelled {
    /// The value that stands for "cancelled, because of `c`".
    fn from_cancelled(c: Cancelled) -> Self;

    /// Does this value stand for a failure, be it a cancel or another one? It is asked of scopes whose
    /// [progress](crate::Scope::progress) is followed, to tell how they ended. `false` unless the type knows better, as `Result` and
    /// `Option` do.
    fn is_failure(&self) -> bool {
        false
    }
}

/// The bound holds wherever `E: From<Cancelled>` does.
impl<T, E: CancelledError> FromCancelled for Result<T, E> {
    fn from_cancelled(c: Cancelled) -> Self {
        Err(E::from_cancelled_error(c))
    }

    fn is_failure(&self) -> bool {
        self.is_err()
    }
}

/// `From<Cancelled>` by another name, under which the compiler can say what is missing.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the error type `{Self}` cannot be made from a `Cancelled`",
    label = "`{Self}` has no room for `Cancelled`",
    note = "in an `enum` of `thiserror`, write a variant: `#[error(transparent)] Cancelled(#[from] cancelable::Cancelled),`",
    note = "for a type of your own, write: `impl From<cancelable::Cancelled> for {Self} {{ fn from(cancelled: cancelable::Cancelled) -> Self {{ Self::Cancelled(cancelled) }} }}`",
    note = "for a type of others, such as a tuple, an annotated function may write: `#[cancelable(or = Err(…))]`"
)]
pub trait CancelledError: Sized {
    fn from_cancelled_error(c: Cancelled) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Cancelled>> CancelledError for E {
    fn from_cancelled_error(c: Cancelled) -> Self {
        E::from(c)
    }
}

impl<T> FromCancelled for Option<T> {
    fn from_cancelled(_: Cancelled) -> Self {
        None
    }

    fn is_failure(&self) -> bool {
        self.is_none()
    }
}

const _: () = assert!(size_of::<Cancelled>() == size_of::<usize>());
const _: () = assert!(size_of::<Result<(), Cancelled>>() == size_of::<usize>());
