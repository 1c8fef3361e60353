//! Who measures what.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::report::Report;
use crate::clock::hand::Clock;
use crate::context;
use crate::meter::{self, Origin, Recording, Time};
use crate::scope::Scoped;
use crate::token::CancellationToken;

/// Measures the time between check points; see [the module](super). Clones are the same recorder.
#[derive(Clone)]
pub struct Recorder(Arc<Owner>);

/// Of what has been recorded. Threads may keep that longer.
struct Owner(Arc<Recording>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Recorder {
    /// One that goes by real time.
    ///
    /// It has a thread that counts ticks, until it is dropped. If there is none to be had, every place looks at the clock.
    #[must_use]
    pub fn new() -> Self {
        Self::with(Time::real())
    }

    /// One that goes by a hand-driven clock: how far `clock` was moved in a stretch is how long that was.
    #[must_use]
    pub fn by(clock: &Clock) -> Self {
        Self::with(Time::Hand(clock.clone()))
    }

    fn with(time: Time) -> Self {
        Self(Arc::new(Owner(Recording::new(time))))
    }

    fn recording(&self) -> &Arc<Recording> {
        &self.0.0
    }

    /// Measures `future` wherever it is polled, with what it polls in itself. Not the tasks and threads that it starts: see
    /// [`everywhere`](Self::everywhere).
    ///
    /// It runs in the context that is ambient here, if there is one.
    ///
    /// ```
    /// use cancelable::{Cancelled, cancelable, testing::{Clock, stretches::Recorder}};
    /// use std::time::Duration;
    ///
    /// #[cancelable]
    /// async fn fetch_and_parse(clock: &Clock) -> Result<(), Cancelled> {
    ///     cancelable::sleep(Duration::from_secs(60)).await?;      // waiting is no stretch
    ///     clock.advance(Duration::from_millis(40));               // parsing is
    ///     async {}.await;
    ///     Ok(())
    /// }
    ///
    /// let clock = Clock::new();
    /// let recorder = Recorder::by(&clock);
    /// let mut run = std::pin::pin!(clock.scope(recorder.scope(fetch_and_parse(&clock))));
    /// # use std::future::Future;
    /// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    /// while run.as_mut().poll(&mut cx).is_pending() {
    ///     clock.advance_to_next();
    /// }
    /// assert_eq!(recorder.report().longest().unwrap().max(), Duration::from_millis(40));
    /// ```
    #[track_caller]
    pub fn scope<F: Future>(&self, future: F) -> Recorded<F> {
        Recorded {
            recorder: self.clone(),
            future: context::Context::current().scope(future),
        }
    }

    /// Measures `f`, and what it calls on this thread.
    ///
    /// For sync code. If `f` drives an executor, the time in which that has nothing to do counts as well, unless what it polls is a
    /// scope.
    #[track_caller]
    pub fn sync_scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let origin = Origin::caller();
        let context = context::Context::current();
        // Also where there is none, for without a frame there is nothing for a check point to look at.
        let in_frame = || match context.token() {
            never if *never == CancellationToken::never() => never.sync_scope(f),
            _ => context.run(f),
        };
        meter::record(self.recording(), || {
            let _announced = origin.announce();
            in_frame()
        })
    }

    /// Measures all threads of the program, as long as the result lives: for a program as a whole, or in production.
    ///
    /// Code that another recorder measures is left to that. Scopes that have begun before are measured from their next poll on; sync
    /// ones, not at all.
    ///
    /// ```
    /// use cancelable::{Cancelled, Scope, cancelable, testing::stretches::Recorder};
    ///
    /// #[cancelable]
    /// fn sum(to: u64) -> Result<u64, Cancelled> {
    ///     let mut sum = 0;
    ///     for n in 0..to {
    ///         sum += n;
    ///     }
    ///     Ok(sum)
    /// }
    ///
    /// let recorder = Recorder::new();
    /// let measuring = recorder.everywhere();
    /// let worker = std::thread::spawn(|| Scope::new().run_sync(|| sum(100_000)));
    /// worker.join().unwrap().unwrap();
    /// drop(measuring);
    /// let report = recorder.report();
    /// assert!(report.stretches().iter().any(|stretch| stretch.count() == 100_000 - 1));
    /// ```
    ///
    /// # Panics
    ///
    /// If another recorder measures everywhere.
    #[track_caller]
    pub fn everywhere(&self) -> Everywhere {
        match meter::Everywhere::begin(self.recording()) {
            Some(everywhere) => Everywhere(everywhere),
            None => panic!("another `Recorder` measures everywhere; drop what its `everywhere()` returned first"),
        }
    }

    /// What has been measured so far.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::of(&self.recording().sums())
    }
}

/// One that goes by real time.
impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// All threads are measured as long as this lives; made by [`Recorder::everywhere`].
#[derive(Debug)]
#[must_use = "it measures until it is dropped"]
pub struct Everywhere(meter::Everywhere);

pin_project_lite::pin_project! {
    /// A future that is measured; made by [`Recorder::scope`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Recorded<F> {
        recorder: Recorder,
        #[pin]
        future: Scoped<F>,
    }
}

impl<F: Future> Future for Recorded<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        meter::record(this.recorder.recording(), || this.future.poll(cx))
    }
}

impl<F> fmt::Debug for Recorded<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").finish_non_exhaustive()
    }
}
