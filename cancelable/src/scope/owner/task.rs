//! One task of an owner, as a runtime or a thread runs it: the work, and after it the report of how it ended.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::answer::{Asked, Outcome, TaskHandle};
use super::entry::Entry;
use super::roster::Roster;
use super::seats::Seat;
use crate::context::{About, Frame, with_frame};
use crate::error::Cancelled;
use crate::primitive::Arc;
use crate::runtime;
use crate::scope::catch::{Caught, catch_poll};
use crate::scope::group::{TaskError, TaskPanic};
use crate::scope::nature::{Nature, abandon_token, end_token};
use crate::scope::origin::Existing;
use crate::scope::region::Region;
use crate::unwind::FirstPanic;

/// One task, from its own point of view: it has to say how it ended.
pub(super) struct Member<T> {
    roster: Arc<Roster>,
    entry: Arc<Entry>,
    asked: Option<Asked<T>>,
}

impl<T> Member<T> {
    pub(super) fn new(roster: &Arc<Roster>, entry: Arc<Entry>) -> (Self, TaskHandle<T>) {
        let (handle, asked) = TaskHandle::new(&entry, roster);
        let member = Self {
            roster: Arc::clone(roster),
            entry,
            asked: Some(asked),
        };
        (member, handle)
    }

    fn about(&self) -> About {
        let mut about = self.roster.about().clone();
        if let Some(name) = &self.entry.info.name {
            about.name = Some(name.clone());
        }
        about
    }

    /// The task has ended, and nothing of it is left.
    pub(super) fn end(mut self, caught: Caught<Result<T, Cancelled>>) {
        let spawned_at = self.entry.info.spawned_at;
        self.report(match caught {
            Ok(outcome) => outcome.map_err(TaskError::Failed),
            Err(payload) => Err(TaskError::Panicked(TaskPanic::new(payload, spawned_at))),
        });
    }

    fn report(&mut self, outcome: Outcome<T>) {
        let Some(asked) = self.asked.take() else { return };
        // Callbacks, wakers, destructors: whatever one of them does, the others have their turn.
        let mut panics = FirstPanic::default();
        if let Err(TaskError::Panicked(panic)) = &outcome {
            self.roster.panicked(panic, &mut panics);
        }
        let was_forced = matches!(&outcome, Err(TaskError::Failed(cancelled)) if cancelled.was_forced());
        let (told, unwanted) = asked.tell(outcome);
        match unwanted {
            Some(Err(TaskError::Panicked(panic))) => self.roster.keep(panic),
            unwanted => panics.run(|| drop(unwanted)),
        }
        self.entry.end();
        self.roster.strike(&self.entry, was_forced, &mut panics);
        told.wake(&mut panics);
        panics.resume();
    }
}

/// A task that was dropped before its end, by a runtime that shuts down for one.
impl<T> Drop for Member<T> {
    fn drop(&mut self) {
        if self.asked.is_some() {
            let spawned_at = self.entry.info.spawned_at;
            let frame = Frame::new(&self.entry.token, About::GIVEN, None);
            let why = frame.fail(spawned_at).unwrap_or_else(|| Cancelled::dropped(spawned_at));
            self.report(Err(TaskError::Failed(why)));
        }
    }
}

pin_project_lite::pin_project! {
    /// A task that is a future: a scope under the task's token, and the report.
    pub(super) struct Task<F, T> {
        // Dropped before the member, which reports, in whatever state the task is dropped.
        #[pin]
        scope: Option<Region<Existing, Seated<F>>>,
        member: Option<Member<T>>,
    }
}

impl<F: Future> Task<F, F::Output> {
    pub(super) fn new(future: F, seat: Option<Seat>, member: Member<F::Output>) -> Self {
        let nature = Nature {
            is_check_point: true,
            owns_token: true,
            shields: false,
            about: member.about(),
            location: member.entry.info.spawned_at,
        };
        let token = Existing(member.entry.token.clone());
        Self {
            scope: Some(Region::new(token, nature, Seated { future, seat })),
            member: Some(member),
        }
    }
}

impl<F: Future> Future for Task<F, F::Output> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let (Some(mut scope), Some(member)) = (this.scope.as_mut().as_pin_mut(), this.member.as_ref()) else {
            return Poll::Ready(());
        };
        if member.entry.is_forced() {
            scope.as_mut().force();
        }
        let poll = catch_poll(|| scope.poll_region(cx, |result| result));
        if poll.is_pending() {
            member.entry.pending(cx);
        }
        let result = ready!(poll);
        // The future is gone when its end is reported.
        this.scope.set(None);
        if let Some(member) = this.member.take() {
            member.end(result);
        }
        Poll::Ready(())
    }
}

pin_project_lite::pin_project! {
    /// A future that starts when it has a seat, which it gives back when it is gone.
    struct Seated<F> {
        #[pin]
        future: F,
        seat: Option<Seat>,
    }
}

impl<F: Future> Future for Seated<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Some(seat) = this.seat {
            ready!(seat.poll(cx));
        }
        this.future.poll(cx)
    }
}

/// A task that is a closure, to be called on a thread for blocking work.
pub(super) struct BlockingTask<F, T> {
    // Dropped before the member, as a `Task`'s future is.
    f: F,
    member: Member<T>,
}

impl<F: FnOnce() -> T, T> BlockingTask<F, T> {
    pub(super) fn new(f: F, member: Member<T>) -> Self {
        Self { f, member }
    }

    pub(super) fn run(self, seat: Option<Seat>) {
        let Self { f, member } = self;
        let (token, about) = (&member.entry.token, member.about());
        let location = member.entry.info.spawned_at;
        let result = catch_unwind(AssertUnwindSafe(|| {
            let frame = Frame::new(token, &about, None).of(runtime::Task::current());
            // Like any scope it does not start under a cancelled parent; what it has is then dropped in here.
            frame.enter(move || match with_frame(|frame| frame?.notice(location)) {
                Some(cancelled) => Err(cancelled),
                None => Ok(f()),
            })
        }));
        drop(seat);
        match &result {
            Ok(_) => end_token(token, location),
            Err(_) => abandon_token(token, location),
        }
        member.end(result);
    }
}
