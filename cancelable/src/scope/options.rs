//! `Scope`, the builder: what a scope is told before it begins.

use std::borrow::Cow;
use std::fmt;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::idle::IdleOptions;
use super::parent::Parent;
use super::plan::Plan;
use super::progress::Progress;
use super::source::{Source, Watch};
use crate::context::About;
use crate::token::CancellationToken;

/// A stretch of code with a token of its own: a child of the ambient one, with perhaps a deadline, a grace and a name.
///
/// [`run`](Self::run) takes a future, [`run_sync`](Self::run_sync) a closure; `cancel_scope!` is written in terms of
/// these. Inside, the scope's token is the ambient one. Leaving the scope ends it: nothing of the scope stays behind,
/// and whoever still holds its token sees it cancelled. What each way of leaving means:
///
/// | the body | the scope returns | its token is cancelled with |
/// |---|---|---|
/// | returns a value, also one of its own errors | that value | [`ScopeEnded`](crate::ReasonKind::ScopeEnded) |
/// | notices the cancel and returns the error | that error | the reason it had |
/// | swallows the cancel and returns a value | that value | the reason it had |
/// | is pending on something that does not notice | [`Cancelled`](crate::Cancelled) | the reason it had |
/// | is dropped, with the scope, before its end | nothing | [`Dropped`](crate::ReasonKind::Dropped) |
/// | panics | the panic | [`Dropped`](crate::ReasonKind::Dropped) |
///
/// A scope that is entered under a cancelled parent, or with a deadline in the past, does not start its body.
///
/// # Clean-up
///
/// What has to be done whichever way the scope ends goes behind it, under a [`shield`](crate::shield()), for the token outside may be
/// cancelled as well:
///
/// ```
/// use cancelable::{Cancelled, Scope, shield};
/// use std::time::Duration;
///
/// # struct Connection;
/// # impl Connection { async fn query(&self) -> Result<u32, Cancelled> { std::future::pending().await } async fn close(self) {} }
/// async fn ask(connection: Connection) -> Result<u32, Cancelled> {
///     let result = Scope::new().timeout(Duration::from_millis(5)).run(connection.query()).await;
///     shield(connection.close()).await;
///     result
/// }
/// # assert!(futures::executor::block_on(ask(Connection)).is_err());
/// ```
///
/// That is what [`cancel_scope!(finally = …)`](crate::cancel_scope#finally-clean-up) is made of. In an annotated function write that: an
/// `.await` of a scope is a check point there, and if it fails before the scope has begun, what is behind it is skipped.
///
/// # Without threads, and after a fork
///
/// Deadlines are watched by a thread of the library. If the system has none to give, check points and waits look at the clock
/// themselves; an async scope, a [`sleep`](crate::sleep()), or whatever else waits for a deadline, then has its task polled every
/// millisecond. A
/// [source](crate::Source) that is not ready at once cancels its scope with kind [`Error`](crate::ReasonKind::Error).
///
/// A process made by `fork` without `exec` has none of its parent's threads (Unix). Deadlines of tokens and scopes from before
/// the fork and from after it come there all the same, at check points, in waits, and by a timer thread that the child starts
/// when it needs one, not before. What only a lost thread could have done is lost with it: to go on with a cancel it was in the
/// middle of, to wake a task of a runtime that has gone, to poll a source it was polling. And a child should cancel nothing
/// that a lost thread waits for in an executor's `block_on`, once it has started threads of its own: these get the stacks of
/// the lost ones. (The library's own waits, as [`CancellationToken::wait`](crate::CancellationToken::wait), may be cancelled.)
///
/// ```
/// use cancelable::{Cancelled, Scope, sleep};
/// use std::time::Duration;
///
/// # futures::executor::block_on(async {
/// let result: Result<(), Cancelled> = Scope::new()
///     .name("greeting")
///     .timeout(Duration::from_millis(5))
///     .run(async { sleep(Duration::from_secs(3600)).await })
///     .await;
/// let text = result.unwrap_err().to_string();
/// assert!(text.starts_with("cancelled: timed out after 5ms (scope \"greeting\"), requested at "), "{text}");
/// # });
/// ```
#[must_use = "a scope does nothing until it is given something to `run`"]
pub struct Scope {
    pub(in crate::scope) plan: Plan,
    pub(in crate::scope) about: About,
    /// The line it is said to be at, if that is another than the one that runs it.
    pub(in crate::scope) location: Option<&'static Location<'static>>,
}

impl Scope {
    /// A scope below the ambient one, without a deadline.
    #[track_caller]
    pub fn new() -> Self {
        Self {
            plan: Plan::default(),
            about: About::default(),
            location: None,
        }
    }

    /// Cancels the scope when it has run this long, counted from its first poll (or from the call of
    /// [`run_sync`](Self::run_sync)), not from here.
    ///
    /// Zero cancels before the body starts. A duration too long for the clock, such as [`Duration::MAX`], is no deadline, and
    /// neither is `None`.
    ///
    /// ```
    /// use cancelable::{Cancelled, Scope};
    /// use std::time::Duration;
    ///
    /// /// What a program has been told on its command line.
    /// struct Args { timeout: Option<Duration> }
    ///
    /// # let args = Args { timeout: None };
    /// let result: Result<u32, Cancelled> = Scope::new().timeout(args.timeout).run_sync(|| Ok(42));
    /// assert_eq!(result.unwrap(), 42);
    /// ```
    #[track_caller]
    pub fn timeout(mut self, after: impl Into<Option<Duration>>) -> Self {
        let location = Location::caller();
        self.plan.timeout = after.into().map(|after| (after, location));
        self
    }

    /// Cancels the scope at this moment; before the body starts if it is past. With a [timeout](Self::timeout) as well,
    /// the earlier of the two counts.
    ///
    /// It is a moment of the clock that is in force where the scope runs. In a test whose tokio clock is paused that is tokio's:
    /// take the moment from `tokio::time::Instant::now().into_std()`. `Instant::now()` does not
    /// move with the paused clock, and may be long past by it. `None` is no deadline.
    #[track_caller]
    pub fn deadline(mut self, at: impl Into<Option<Instant>>) -> Self {
        let location = Location::caller();
        self.plan.deadline = at.into().map(|at| (at, location));
        self
    }

    /// Cancels the scope when nothing has moved in it for this long: when no [`progress`](crate::progress()) was reported in it, nor in
    /// the tasks and threads below it, since the scope began or since the last report.
    ///
    /// For work of which nobody knows how long it takes, but how long a step of it may: an upload, a migration, a crawl. A
    /// [`timeout`](Self::timeout) beside it bounds the whole. The reason has kind [`Timeout`](crate::ReasonKind::Timeout), and says
    /// that nothing moved, and how far the work had got.
    ///
    /// Zero cancels before the body starts. A duration too long for the clock is no timeout, and neither is `None`. It goes by the
    /// clock in force where the scope begins. [`deadline`](crate::CancellationToken::deadline) and [`remaining`](crate::remaining()) do not
    /// know of it, since it may be put off. To put it off without saying how far the work has got, take a
    /// [`Deadline`](crate::Deadline) and [`reset`](crate::Deadline::reset) it.
    ///
    /// ```
    /// use cancelable::{Cancelled, Scope, progress, sleep};
    /// use std::time::Duration;
    ///
    /// # futures::executor::block_on(async {
    /// let copied: Result<(), Cancelled> = Scope::new()
    ///     .name("copy")
    ///     .idle_timeout(Duration::from_millis(200))
    ///     .run(async {
    ///         progress(3, 10);
    ///         sleep(Duration::from_secs(3600)).await          // the other side has gone
    ///     })
    ///     .await;
    /// let cancelled = copied.unwrap_err();
    /// assert!(cancelled.is_timeout());
    /// assert_eq!(cancelled.reason().to_string(), "nothing moved for 200ms (scope \"copy\"): 3 of 10 done");
    /// # });
    /// ```
    #[track_caller]
    pub fn idle_timeout(mut self, after: impl Into<Option<Duration>>) -> Self {
        let location = Location::caller();
        self.idle().after = after.into().map(|after| (after, location));
        self
    }

    /// Has check points put off the [idle timeout](Self::idle_timeout), as `progress` does: an await that begins or ends, an iteration of
    /// a loop, the entry of an annotated function, a scope or a race that begins, and a [`check`](crate::check()), below this scope on whatever thread.
    ///
    /// So it ends only what hangs: in an await that does not come back, or in code without check points. An await that is polled
    /// again and again, and is pending each time, does not count. Nor does what happens behind a [shield](crate::shield()): there,
    /// report `progress`.
    ///
    /// Check points are not counted, but looked for, eight times in each timeout; so a loop is as fast as without it, and a
    /// cancel may come late by an eighth. Each look goes through the tokens below the scope, under a lock. Without an idle timeout it
    /// does nothing.
    ///
    /// ```
    /// use cancelable::{Cancelled, Scope, sleep};
    /// use std::time::Duration;
    ///
    /// # futures::executor::block_on(async {
    /// let pages: Result<u32, Cancelled> = Scope::new()
    ///     .idle_timeout(Duration::from_secs(30))
    ///     .heartbeat()
    ///     .run(async {
    ///         let mut pages = 0;
    ///         while pages < 3 {
    ///             sleep(Duration::from_millis(1)).await?;     // fetches the next one
    ///             pages += 1;
    ///         }
    ///         Ok(pages)
    ///     })
    ///     .await;
    /// assert_eq!(pages.unwrap(), 3);
    /// # });
    /// ```
    pub fn heartbeat(mut self) -> Self {
        self.idle().heartbeat = true;
        self
    }

    /// Has this handle tell how far the scope has got: what [`progress`](crate::progress()) and
    /// [`progress_message`](crate::progress_message()) say in it, and how it ends. The handle can be read from anywhere.
    ///
    /// ```
    /// use cancelable::{Cancelled, Progress, Scope, progress, sleep};
    /// use std::time::Duration;
    ///
    /// # futures::executor::block_on(async {
    /// let upload = Progress::new();
    /// let outcome: Result<(), Cancelled> = Scope::new()
    ///     .timeout(Duration::from_millis(5))
    ///     .progress(&upload)
    ///     .run(async {
    ///         progress(3, 10);
    ///         sleep(Duration::from_secs(3600)).await
    ///     })
    ///     .await;
    /// assert!(outcome.is_err());
    /// assert_eq!(upload.get().to_string(), "cancelled at 3 of 10 (30%)");
    /// # });
    /// ```
    ///
    /// Where the scope runs in another one that has a handle or a [weight](Self::weight), it is a part of that, too, of weight 1 if it does not say
    /// otherwise. A scope with neither is no part of its own: what is said in it is said in the one round it.
    ///
    /// How it ended is [`Failed`](crate::ProgressState::Failed) if the value is an error, as [`FromCancelled::is_failure`](crate::FromCancelled::is_failure) tells,
    /// and the scope was not cancelled. For [`run_anyway`](Self::run_anyway), whose values may be anything, it is
    /// [`Stopped`](crate::ProgressState::Stopped) if the scope was, and else [`Finished`](crate::ProgressState::Finished).
    pub fn progress(mut self, handle: impl Into<Progress>) -> Self {
        self.plan
            .listening
            .get_or_insert_default()
            .tracked()
            .set_handle(handle.into());
        self
    }

    /// How much of the scope round it this one is, in whatever that counts in: what is done here counts there, a part of this weight.
    ///
    /// A scope with three steps, of which the second takes most of the time:
    ///
    /// ```
    /// use cancelable::{Progress, Scope, progress};
    ///
    /// let build = Progress::new();
    /// let built = Scope::new().progress(&build).run_sync(|| {
    ///     progress(0, 10);                                        // how much it is as a whole
    ///     Scope::new().weight(1).run_sync(|| Some(()))?;          // the first tenth
    ///     Scope::new().weight(8).run_sync(|| {
    ///         progress(50, 200);                                  // a quarter of eight tenths, in files
    ///         assert_eq!(build.get().fraction(), Some(0.3));
    ///         Some(())
    ///     })?;
    ///     assert_eq!(build.get().done(), 9);
    ///     Scope::new().weight(1).run_sync(|| Some(()))
    /// });
    /// # assert!(built.is_some());
    /// ```
    ///
    /// - The round one is the innermost one with a handle or a weight, through tasks and threads. If there is none, this does nothing.
    /// - What it is of: the total that [`progress`](crate::progress()) has said out there, or, if that has not been called there, the weights
    ///   of all that have begun so far.
    /// - A scope of which the total is not known counts when it is over, and one that is over counts in full, however it ended.
    /// - `progress(done, …)` out there says what is done out there, and includes the scopes that are over. So
    ///   `for (n, file) in files { progress(n, total); … }` may have a scope in it for each file: what is done of a file moves it on, and the
    ///   next call finds it there.
    ///
    /// The idea is that of `NSProgress` in Apple's Foundation.
    pub fn weight(mut self, weight: u64) -> Self {
        self.plan.listening.get_or_insert_default().tracked().set_weight(weight);
        self
    }

    fn idle(&mut self) -> &mut IdleOptions {
        self.plan.listening.get_or_insert_default().idle()
    }

    /// Bounds how long a cancelled body may take to get out: after this long it is dropped where it stands, and the error
    /// says so ([`was_forced`](crate::Cancelled::was_forced)). Without it the scope waits for shields inside as long as
    /// they take, and for ever if nobody polls them any more. (A second signal ends either, if the scope [listens](crate::Source)
    /// for signals.) A sync body cannot be dropped from outside, so [`run_sync`](Self::run_sync) knows no grace.
    /// `None` is the same as none.
    pub fn grace(mut self, after: impl Into<Option<Duration>>) -> Self {
        self.about.grace = after.into();
        self
    }

    pub(crate) fn own_grace(&self) -> Option<Duration> {
        self.about.grace
    }

    /// Hangs the scope below this token instead of the ambient one.
    pub fn parent(mut self, parent: &CancellationToken) -> Self {
        self.plan.parent = Parent::Given(parent.clone());
        self
    }

    /// Hangs the scope below nothing: only its own deadline and its own token end it.
    pub fn detached(mut self) -> Self {
        self.plan.parent = Parent::None;
        self
    }

    /// Names the scope, for error messages.
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.about.name = Some(name.into());
        self
    }

    /// Says that the scope is at this line, wherever it is built and run: that is the line which asked for its timeout, idle timeout or deadline,
    /// the one where it began, and the one that noticed if it is the scope itself that notices.
    ///
    /// For code that opens scopes for others, such as middleware: the line of interest is that of the program, which set the limit.
    /// Comes after the [timeout](Self::timeout), the [idle timeout](Self::idle_timeout) and the [deadline](Self::deadline) that it is to
    /// hold for.
    ///
    /// ```
    /// use cancelable::{Cancelled, Scope, check};
    /// use std::{panic::Location, time::Duration};
    ///
    /// struct Limit(Duration, &'static Location<'static>);
    ///
    /// impl Limit {
    ///     #[track_caller]
    ///     fn new(limit: Duration) -> Self {
    ///         Self(limit, Location::caller())
    ///     }
    ///
    ///     fn run(&self, job: impl FnOnce() -> Result<(), Cancelled>) -> Result<(), Cancelled> {
    ///         Scope::new().timeout(self.0).located_at(self.1).run_sync(job)
    ///     }
    /// }
    ///
    /// let limit = Limit::new(Duration::ZERO);
    /// let cancelled = limit.run(|| check()).unwrap_err();
    /// assert_eq!(cancelled.reason().location(), limit.1);
    /// assert_eq!(cancelled.observed_at(), limit.1);
    /// ```
    pub fn located_at(mut self, location: &'static Location<'static>) -> Self {
        self.location = Some(location);
        if let Some((_, set_at)) = &mut self.plan.timeout {
            *set_at = location;
        }
        if let Some((_, set_at)) = &mut self.plan.deadline {
            *set_at = location;
        }
        if let Some(listening) = &mut self.plan.listening {
            if let Some((_, set_at)) = &mut listening.idle().after {
                *set_at = location;
            }
        }
        self
    }

    /// Cancels the scope with this token too, besides its parent. May be given several times.
    pub fn link(mut self, token: CancellationToken) -> Self {
        self.plan.listening.get_or_insert_default().link(token);
        self
    }

    /// Cancels the scope when this fires too: a future, a token, a [condition](crate::condition()), or a [`Source`] of your
    /// own. May be given several times; whatever comes first, deadline and parent included, is the reason.
    ///
    /// ```
    /// use cancelable::{Cancelled, ReasonKind, Scope, check};
    ///
    /// let (stop, stopped) = futures::channel::oneshot::channel::<()>();
    /// std::thread::spawn(move || stop.send(()));
    /// let outcome: Result<(), Cancelled> = Scope::new().until(stopped).run_sync(|| loop { check()? });
    /// assert_eq!(outcome.unwrap_err().kind(), ReasonKind::Condition);
    /// ```
    #[track_caller]
    pub fn until(mut self, source: impl Source) -> Self {
        self.plan.listening.get_or_insert_default().add(Watch::of(source));
        self
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("name", &self.about.name)
            .field("parent", &self.plan.parent)
            .field("timeout", &self.plan.timeout.map(|(after, _)| after))
            .field("deadline", &self.plan.deadline.map(|(at, _)| at))
            .field("grace", &self.about.grace)
            .field("links", &self.plan.links().concat())
            .finish_non_exhaustive()
    }
}

/// As [`Scope::new`].
impl Default for Scope {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}
