//! One run: a token, the moment at which to cancel it, and what was seen.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use super::moment::Moment;
use crate::clock;
use crate::context::probe::{Observer, watch};
use crate::reason::CancelReason;
use crate::runtime::Runtime;
use crate::scope::Scoped;
use crate::token::CancellationToken;

/// Cancels a token at its moment.
#[derive(Debug)]
pub(super) struct Injection {
    token: CancellationToken,
    moment: Moment,
    seen: Mutex<Seen>,
}

/// What has been seen of a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    check_points: usize,
    polls: usize,
    /// The moment came.
    pub(super) hit: bool,
    /// The check point it was, if it was one.
    pub(super) at: Option<&'static Location<'static>>,
    pub(super) noticed_at: Option<&'static Location<'static>>,
}

impl Injection {
    pub(super) fn new(moment: Moment) -> Arc<Self> {
        Arc::new(Self {
            token: CancellationToken::new(),
            moment,
            seen: Mutex::default(),
        })
    }

    pub(super) fn seen(&self) -> Seen {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One more of whatever `now` counts, at `at`.
    fn passed(&self, now: impl FnOnce(&mut Seen) -> Moment, at: Option<&'static Location<'static>>) {
        let mut seen = self.lock();
        if seen.hit || now(&mut seen) != self.moment {
            return;
        }
        seen.hit = true;
        seen.at = at;
        drop(seen);
        let message = format!("injected at {}", self.moment);
        self.token.cancel_with(CancelReason::manual().with_message(message));
    }

    fn watched<R>(self: &Arc<Self>, f: impl FnOnce() -> R) -> R {
        watch(Arc::clone(self) as Arc<dyn Observer>, f)
    }

    /// Runs a closure under the token.
    pub(super) fn run_sync<T>(self: &Arc<Self>, code: impl FnOnce() -> T) -> T {
        // Time passes by itself where the thread would sleep.
        clock::hand::Clock::eager().sync_scope(|| self.watched(|| self.token.sync_scope(code)))
    }

    /// Makes a future under the token, and has it run by `executor`.
    pub(super) fn run<F: Future, T>(
        self: &Arc<Self>,
        code: impl FnOnce() -> F,
        executor: impl FnOnce(Injected<F>) -> T,
    ) -> T {
        // Tasks that the executor runs on this thread are watched as well.
        self.watched(|| {
            let future = self.token.sync_scope(code);
            executor(Injected {
                future: self.token.scope(future),
                injection: Arc::clone(self),
            })
        })
    }
}

impl Observer for Injection {
    fn check_point(&self, location: &'static Location<'static>) {
        let count = |seen: &mut Seen| {
            seen.check_points += 1;
            Moment::CheckPoint(seen.check_points)
        };
        self.passed(count, Some(location));
    }

    fn noticed(&self, location: &'static Location<'static>) {
        let mut seen = self.lock();
        if seen.hit {
            seen.noticed_at.get_or_insert(location);
        }
    }
}

pin_project_lite::pin_project! {
    /// The code of one [injected](super::inject) run, to be run by an executor.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Injected<F> {
        #[pin]
        future: Scoped<F>,
        injection: Arc<Injection>,
    }
}

impl<F: Future> Future for Injected<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let injection = this.injection;
        injection.watched(|| {
            let poll = this.future.poll(cx);
            if poll.is_pending() {
                let count = |seen: &mut Seen| {
                    seen.polls += 1;
                    Moment::Poll(seen.polls)
                };
                injection.passed(count, None);
            }
            poll
        })
    }
}

/// A run that was never woken again.
pub(super) struct Hung {
    patience: Duration,
    /// It keeps the thread that a runtime of tokio needs.
    blocks_tokio: bool,
}

impl fmt::Display for Hung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the code hangs: it is suspended, and nothing has woken it for {:?}",
            self.patience
        )?;
        f.write_str(if self.blocks_tokio {
            "\n  nobody drives tokio here: its timers, sockets and tasks need the thread on which this run waits\n  \
             in a plain `#[test]`, make the runs on a runtime: `.assert_on(|run| tokio::runtime::Builder::new_current_thread()\
             .enable_all().build().unwrap().block_on(run), |outcome| …)`\n  \
             (with `.start_paused(true)` before `.build()`, sleeps take no time)"
        } else {
            "\n  it has lost a wake-up, or waits for something that never comes, or that does not notice the cancel\n  \
             (what needs a runtime, such as timers, sockets and tasks of tokio, is not driven here: hand the runs to the \
             runtime, with `.assert_on(|run| runtime.block_on(run), |outcome| …)`)"
        })
    }
}

/// Long enough for anything that other threads may do.
const PATIENCE: Duration = Duration::from_secs(10);

/// The executor of its own: polls on this thread, and has time pass by itself when there is nothing else to do.
pub(super) fn drive<F: Future>(future: F) -> Result<F::Output, Hung> {
    drive_for(PATIENCE, future)
}

fn drive_for<F: Future>(patience: Duration, future: F) -> Result<F::Output, Hung> {
    struct Flag {
        woken: AtomicBool,
        thread: Thread,
    }

    impl Wake for Flag {
        fn wake(self: Arc<Self>) {
            self.woken.store(true, Ordering::SeqCst);
            self.thread.unpark();
        }
    }

    let flag = Arc::new(Flag {
        woken: AtomicBool::new(false),
        thread: thread::current(),
    });
    let waker = Waker::from(Arc::clone(&flag));
    clock::hand::Clock::eager().sync_scope(|| {
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Ok(output);
            }
            let since = Instant::now();
            while !flag.woken.swap(false, Ordering::SeqCst) {
                if clock::move_on() {
                    continue;
                }
                let Some(left) = patience.checked_sub(since.elapsed()) else {
                    return Err(Hung {
                        patience,
                        blocks_tokio: Runtime::current().is_on_one_thread(),
                    });
                };
                thread::park_timeout(left);
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::drive_for;
    use std::future::{Future, pending};
    use std::time::Duration;

    fn text_of_hung<F: Future<Output = ()>>(future: F) -> String {
        match drive_for(Duration::ZERO, future) {
            Ok(()) => panic!("it does not hang"),
            Err(hung) => hung.to_string(),
        }
    }

    #[cfg(feature = "tokio")]
    #[tokio::test]
    async fn a_hung_run_in_a_test_of_tokio_says_how_to_hand_it_to_a_runtime() {
        let text = text_of_hung(tokio::time::sleep(Duration::from_millis(1)));
        assert!(text.contains("nobody drives tokio here"), "{text}");
        assert!(text.contains(".enable_all().build().unwrap().block_on(run)"), "{text}");
    }

    #[test]
    fn a_hung_run_without_tokio_says_first_that_a_wake_up_may_be_lost() {
        let text = text_of_hung(pending());
        assert!(text.contains("\n  it has lost a wake-up, or waits"), "{text}");
        assert!(text.contains("hand the runs to the runtime"), "{text}");
    }
}
