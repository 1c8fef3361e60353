//! The thread that waits for a child, and what others say to it.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use super::group::{Ask, CAN_BE_ASKED, Group};
use crate::primitive::{Arc, Mutex, lock};
use crate::token::CancellationToken;

/// Why a child was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// Its scope was cancelled or is over, or that of whoever wanted its output.
    Cancelled,
    /// It has written more than is kept.
    TooMuch { limit: usize },
    /// By hand, or nobody has the handle any more.
    Asked,
}

/// A child with its group.
#[derive(Debug)]
pub(super) struct Supervised {
    group: Group,
    ask: Ask,
    grace: Duration,
    state: Mutex<State>,
    /// Cancelled when nobody is left.
    over: CancellationToken,
    /// Cancelled at the end of the grace.
    force: CancellationToken,
}

#[derive(Debug, Default)]
struct State {
    /// The first, if it came while the child was running.
    why: Option<Why>,
    is_asked: bool,
    /// How the child ended, once it has been reaped.
    status: Option<io::Result<ExitStatus>>,
    is_over: bool,
    /// Dropped when nobody is left that might write.
    kept: Option<Box<dyn Any + Send>>,
}

impl Supervised {
    /// Starts the thread. If there is none to be had, the child is ended.
    pub(super) fn new(mut child: Child, ask: Ask, grace: Duration) -> io::Result<Arc<Self>> {
        let group = match Group::of(&child) {
            Ok(group) => group,
            Err(error) => {
                drop(child.kill());
                drop(child.wait());
                return Err(error);
            }
        };
        let this = Arc::new(Self {
            group,
            ask,
            grace,
            state: Mutex::default(),
            over: CancellationToken::new(),
            force: CancellationToken::new(),
        });
        // In a place from which it can be taken if the thread does not start.
        let child = Arc::new(Mutex::new(Some(child)));
        let (thread, its_own) = (Arc::clone(&child), Arc::clone(&this));
        let builder = thread::Builder::new().name("cancelable-process".into());
        let started = builder.spawn(move || {
            let child = lock(&thread).take();
            child.into_iter().for_each(|child| its_own.supervise(child));
        });
        if let Err(error) = started {
            this.group.kill();
            let child = lock(&child).take();
            child.into_iter().for_each(|mut child| drop(child.wait()));
            return Err(error);
        }
        Ok(this)
    }

    /// What the thread does.
    fn supervise(self: &Arc<Self>, mut child: Child) {
        self.group.wait_for_leader(&mut child);
        // Reaped under the lock, under which signals are sent: its number may be another's from here on.
        let mut state = lock(&self.state);
        state.status = Some(child.wait());
        drop(state);
        if !self.group.is_empty() {
            if !self.begin_end() {
                // Some of them may have been started after the others were asked.
                self.group.ask(self.ask);
            }
            self.wait_for_rest();
        }
        let mut state = lock(&self.state);
        state.is_over = true;
        let kept = state.kept.take();
        drop(state);
        drop(kept);
        self.over.cancel();
    }

    /// Waits for those that the child has left behind: until the end of the grace, and then a moment, in which the system ends
    /// them. (One that hangs in the system stays.)
    fn wait_for_rest(&self) {
        const AT_MOST: Duration = Duration::from_millis(50);
        const AFTER_KILL: Duration = Duration::from_millis(500);

        let mut pause = Duration::from_millis(1);
        let mut killed = None;
        while !self.group.is_empty() {
            if killed.is_some_and(|at: Instant| at.elapsed() > AFTER_KILL) {
                return;
            }
            if killed.is_some() {
                thread::sleep(pause);
            } else if self.force.wait_timeout(pause) {
                self.kill();
                killed = Some(Instant::now());
                pause = Duration::from_millis(1);
            }
            pause = (pause * 2).min(AT_MOST);
        }
    }

    /// Tells all of them to end.
    pub(super) fn end(self: &Arc<Self>, why: Why) {
        let mut state = lock(&self.state);
        if state.status.is_none() {
            state.why.get_or_insert(why);
        }
        drop(state);
        self.begin_end();
    }

    /// `false`: somebody else has.
    fn begin_end(self: &Arc<Self>) -> bool {
        let mut state = lock(&self.state);
        if state.is_over || state.is_asked {
            return false;
        }
        state.is_asked = true;
        if CAN_BE_ASKED && !self.grace.is_zero() {
            self.group.ask(self.ask);
            drop(state);
            let this = Arc::downgrade(self);
            let killing = self.force.on_cancel(move |_| {
                if let Some(this) = this.upgrade() {
                    this.kill();
                }
            });
            killing.detach();
            self.force.cancel_after(self.grace);
        } else {
            self.group.kill();
            drop(state);
            self.force.cancel();
        }
        true
    }

    /// Ends all of them at once.
    pub(super) fn kill(&self) {
        let state = lock(&self.state);
        if !state.is_over {
            self.group.kill();
        }
    }

    /// Drops it when nobody is left. At once, if so.
    #[cfg_attr(windows, allow(dead_code, reason = "pipes have an end there"))]
    pub(super) fn keep(&self, until_over: impl Send + 'static) {
        let mut state = lock(&self.state);
        if !state.is_over {
            state.kept = Some(Box::new(until_over));
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    /// Completes when nobody is left.
    pub(super) fn over(&self) -> impl Future<Output = ()> + Send {
        self.over.cancelled()
    }

    /// The same, of those that have been told to end.
    pub(super) async fn gone(&self) {
        let mut over = pin!(self.over.cancelled());
        poll_fn(|cx| {
            // Where the timer has no thread, whoever asks sees to it.
            let _is_forced = self.force.is_cancelled();
            over.as_mut().poll(cx)
        })
        .await;
    }

    /// When whoever waits has to look again, if nobody wakes him.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.force.look_at()
    }

    /// Why the child was told to end, and how it ended.
    pub(super) fn outcome(&self) -> (Option<Why>, Option<io::Result<ExitStatus>>) {
        let state = lock(&self.state);
        let status = state.status.as_ref().map(|status| match status {
            Ok(status) => Ok(*status),
            Err(error) => Err(error.raw_os_error().map_or_else(
                || io::Error::new(error.kind(), error.to_string()),
                io::Error::from_raw_os_error,
            )),
        });
        (state.why, status)
    }
}
