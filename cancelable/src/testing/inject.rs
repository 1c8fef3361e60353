//! The two doors: for async code and for sync code.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::moment::Moment;
use super::plan::{Outcome, Plan};
use super::run::{Injected, Injection, drive};

/// Runs async code again and again, each time cancelling it at another moment.
///
/// `code` makes a fresh run each time, with fresh state, and returns what there is to judge: a result, or the state after
/// it. See [`Inject`] for which moments there are, and [the module](super) for an example that fails.
///
/// ```
/// use cancelable::{Cancelled, guard, shield, sleep, testing};
/// use std::{cell::Cell, time::Duration};
///
/// async fn transfer(from: &Cell<i32>, to: &Cell<i32>) -> Result<(), Cancelled> {
///     from.set(from.get() - 10);
///     let told = guard(sleep(Duration::from_secs(1))).await.and_then(|slept| slept);
///     if told.is_err() {
///         from.set(from.get() + 10);
///     } else {
///         to.set(to.get() + 10);
///     }
///     told
/// }
///
/// testing::inject(async || {
///     let (from, to) = (Cell::new(100), Cell::new(0));
///     let result = transfer(&from, &to).await;
///     (result, from.get() + to.get())
/// })
/// .assert(|outcome| {
///     assert_eq!(outcome.1, 100);
///     assert_eq!(outcome.0.is_err(), outcome.injected().is_some());
/// });
/// ```
pub fn inject<C, F>(code: C) -> Inject<C>
where
    C: FnMut() -> F,
    F: Future,
{
    Inject {
        code,
        plan: Plan::default(),
    }
}

/// Runs sync code again and again, each time cancelling it at another of its check points.
///
/// ```
/// use cancelable::{Cancelled, check, testing};
///
/// fn collatz(mut n: u64) -> Result<u32, Cancelled> {
///     let mut steps = 0;
///     while n != 1 {
///         check()?;
///         n = if n % 2 == 0 { n / 2 } else { 3 * n + 1 };
///         steps += 1;
///     }
///     Ok(steps)
/// }
///
/// let mut runs = 0;
/// testing::inject_sync(|| collatz(27)).assert(|outcome| {
///     runs += 1;
///     assert_eq!(outcome.is_ok(), outcome.injected().is_none());
/// });
/// assert_eq!(runs, 111 + 1); // one for each step, and one to the end
/// ```
pub fn inject_sync<C, T>(code: C) -> InjectSync<C>
where
    C: FnMut() -> T,
{
    InjectSync {
        code,
        plan: Plan::default(),
    }
}

/// Async code and the moments to cancel it at; made by [`inject`].
///
/// Without further words, every check point and every poll. Runs end with one that is not cancelled, since the code came
/// to its end before; it is judged as well.
///
/// # What counts
///
/// Check points are counted when they ask their token before they let the code go on: the entry of an annotated function
/// or a scope, an await before its first poll, an iteration of a loop, a call of [`check`](crate::check()). Those of other tasks
/// count as well, if they run on the same thread; not those of other threads, whose order would be another each time.
///
/// Runs must be repeatable: fresh state, no randomness, no other threads that decide what happens next.
#[must_use = "it does nothing until it is told what to `assert`"]
pub struct Inject<C> {
    code: C,
    plan: Plan,
}

/// Sync code and the moments to cancel it at; made by [`inject_sync`].
///
/// As [`Inject`], with check points only.
#[must_use = "it does nothing until it is told what to `assert`"]
pub struct InjectSync<C> {
    code: C,
    plan: Plan,
}

impl<C> Inject<C> {
    /// Cancels at the first check point, at the second, and so on.
    pub fn at_every_check_point(mut self) -> Self {
        self.plan.check_points = true;
        self
    }

    /// Cancels when the code has been suspended for the first time, for the second, and so on.
    pub fn at_every_poll(mut self) -> Self {
        self.plan.polls = true;
        self
    }

    /// Cancels at the n-th check point, counted from 1, and at no other but those named in the same way.
    pub fn at_check_point(mut self, n: usize) -> Self {
        self.plan.only.push(Moment::CheckPoint(n));
        self
    }

    /// Cancels when the code has been suspended for the n-th time, and at no other moment but those named in the same way.
    pub fn at_poll(mut self, n: usize) -> Self {
        self.plan.only.push(Moment::Poll(n));
        self
    }

    /// Goes no further than the n-th moment of each sort: for code that does not end by itself.
    pub fn up_to(mut self, n: usize) -> Self {
        self.plan.up_to = Some(n);
        self
    }

    /// Makes the runs, and has each judged by `assert`.
    ///
    /// They run on this thread, without a runtime. Time passes by itself: what waits for a [`sleep`](crate::sleep()) or a deadline
    /// goes on as soon as there is nothing else to do. Timers, sockets and tasks of tokio (`tokio::time::sleep` for one) need their
    /// runtime, which nobody drives here: for those, [`assert_on`](Self::assert_on).
    ///
    /// # Panics
    ///
    /// If `assert` does, or the code, or if the code hangs; with the moment of the cancel, its file and line, and how to
    /// repeat that run. Only that one is made if the environment variable `CANCELABLE_INJECT` names it.
    #[track_caller]
    pub fn assert<F: Future>(mut self, assert: impl FnMut(Outcome<F::Output>))
    where
        C: FnMut() -> F,
    {
        let code = &mut self.code;
        let result = self
            .plan
            .carry_out(|injection| injection.run(&mut *code, drive), assert);
        if let Err(report) = result {
            panic!("{report}");
        }
    }

    /// As [`assert`](Self::assert), on an executor of yours, and by its time.
    ///
    /// `executor` runs a future to its end: `|run| runtime.block_on(run)`. Call it in a plain `#[test]`, since a runtime cannot be
    /// blocked on inside another. Let it be a new runtime each time if tasks may be left over. On a runtime of one thread, the
    /// check points of spawned tasks count.
    ///
    /// With tokio's feature `test-util` and `.start_paused(true)` on the builder, its sleeps take no time.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use cancelable::{Cancelled, cancelable, testing};
    /// use std::time::Duration;
    ///
    /// #[cancelable]
    /// async fn slow() -> Result<(), Cancelled> {
    ///     tokio::time::sleep(Duration::from_millis(1)).await;
    ///     Ok(())
    /// }
    ///
    /// fn runtime() -> tokio::runtime::Runtime {
    ///     tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    /// }
    ///
    /// testing::inject(slow).assert_on(
    ///     |run| runtime().block_on(run),
    ///     |outcome| assert_eq!(outcome.is_err(), outcome.injected().is_some()),
    /// );
    /// # }
    /// ```
    ///
    /// A group, whose tasks are counted too:
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use cancelable::{Cancelled, check, testing, tokio::TaskGroup};
    ///
    /// testing::inject(|| {
    ///     TaskGroup::run(async |group| {
    ///         group.spawn(async { check() });
    ///         group.spawn(async { check() });
    ///         Ok::<(), Cancelled>(())
    ///     })
    /// })
    /// .at_every_check_point()
    /// .assert_on(
    ///     |run| tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run),
    ///     |outcome| assert_eq!(outcome.is_err(), outcome.injected().is_some()),
    /// );
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// As [`assert`](Self::assert), but code that hangs is for the executor to notice.
    #[track_caller]
    pub fn assert_on<F: Future>(
        mut self,
        mut executor: impl FnMut(Injected<F>) -> F::Output,
        assert: impl FnMut(Outcome<F::Output>),
    ) where
        C: FnMut() -> F,
    {
        let code = &mut self.code;
        let run = |injection: &Arc<Injection>| Ok(injection.run(&mut *code, &mut executor));
        let result = self.plan.carry_out(run, assert);
        if let Err(report) = result {
            panic!("{report}");
        }
    }
}

impl<C> InjectSync<C> {
    /// Cancels at the n-th check point, counted from 1, and at no other but those named in the same way.
    pub fn at_check_point(mut self, n: usize) -> Self {
        self.plan.only.push(Moment::CheckPoint(n));
        self
    }

    /// Goes no further than the n-th check point: for code that does not end by itself.
    pub fn up_to(mut self, n: usize) -> Self {
        self.plan.up_to = Some(n);
        self
    }

    /// Makes the runs, and has each judged by `assert`.
    ///
    /// Time passes by itself: [`blocking_sleep`](crate::blocking_sleep) returns at once, and it is later.
    ///
    /// # Panics
    ///
    /// As [`Inject::assert`].
    #[track_caller]
    pub fn assert<T>(mut self, assert: impl FnMut(Outcome<T>))
    where
        C: FnMut() -> T,
    {
        self.plan.check_points = true;
        let code = &mut self.code;
        let result = self
            .plan
            .carry_out(|injection| Ok(injection.run_sync(&mut *code)), assert);
        if let Err(report) = result {
            panic!("{report}");
        }
    }
}

impl<C> fmt::Debug for Inject<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inject")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}

impl<C> fmt::Debug for InjectSync<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InjectSync")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
