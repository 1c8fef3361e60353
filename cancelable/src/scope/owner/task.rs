//! One task of an owner, as a runtime or a thread runs it: the work, and after it the report of how it ended.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::answer::{Answer, Outcome};
use super::seats::Seat;
use crate::check_point::CheckPoint;
use crate::context::{About, Frame, is_cancelled, with_frame};
use crate::error::Cancelled;
use crate::live;
use crate::meter::Origin;
use crate::observe;
use crate::primitive::Arc;
use crate::runtime;
use crate::scope::behaviour::{Behaviour, abandon_token, end_token};
use crate::scope::catch::{Caught, catch_poll};
use crate::scope::group::{TaskError, TaskPanic};
use crate::scope::region::Region;
use crate::scope::token_origin::Existing;
use crate::unwind::FirstPanic;

/// One task, from its own point of view: it has to say how it ended.
pub(super) struct Member<T> {
    answer: Arc<Answer<T>>,
    has_ended: bool,
}

impl<T> Member<T> {
    pub(super) fn new(answer: Arc<Answer<T>>) -> Self {
        Self {
            answer,
            has_ended: false,
        }
    }

    fn about(&self) -> About {
        let mut about = self.answer.roster.about().clone();
        if let Some(name) = &self.answer.info.name {
            about.name = Some(name.clone());
        }
        about
    }

    /// The task has ended, and nothing of it is left.
    fn end(mut self, caught: Caught<Result<T, Cancelled>>) {
        let spawned_at = self.answer.info.spawned_at;
        self.report(match caught {
            Ok(outcome) => outcome.map_err(TaskError::Failed),
            Err(payload) => Err(TaskError::Panicked(TaskPanic::new(payload, spawned_at))),
        });
    }

    fn report(&mut self, outcome: Outcome<T>) {
        self.has_ended = true;
        let Answer { roster, key, .. } = &*self.answer;
        // Callbacks, wakers, destructors: whatever one of them does, the others have their turn.
        let mut panics = FirstPanic::default();
        let was_forced = match &outcome {
            Err(TaskError::Panicked(panic)) => {
                roster.panicked(panic, &mut panics);
                false
            }
            Err(TaskError::Failed(cancelled)) => cancelled.was_forced(),
            Ok(_) => false,
        };
        let unwanted = self.answer.put(outcome);
        let is_wanted = unwanted.is_none();
        match unwanted {
            Some(Err(TaskError::Panicked(panic))) => roster.keep(panic),
            unwanted => panics.run(|| drop(unwanted)),
        }
        roster.strike(*key, was_forced, &mut panics);
        if is_wanted {
            self.answer.tell(&mut panics);
        }
        panics.resume();
    }
}

/// A task that was dropped before its end, by a runtime that shuts down for one.
impl<T> Drop for Member<T> {
    fn drop(&mut self) {
        if !self.has_ended {
            let spawned_at = self.answer.info.spawned_at;
            let frame = Frame::new(&self.answer.token, About::GIVEN, None);
            let why = frame.fail(spawned_at, CheckPoint::Await);
            let why = why.unwrap_or_else(|| Cancelled::dropped(spawned_at));
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
        let behaviour = Behaviour {
            is_check_point: true,
            owns_token: true,
            shields: false,
            is_branch: false,
            about: member.about(),
            location: member.answer.info.spawned_at,
        };
        let token = Existing(member.answer.token.clone());
        Self {
            scope: Some(Region::new(
                token,
                behaviour,
                Seated {
                    future,
                    seat,
                    has_begun: false,
                },
            )),
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
        let Answer { roster, key, token, .. } = &*member.answer;
        if token.is_marked() && roster.is_forced(*key) {
            scope.as_mut().force();
        }
        let poll = catch_poll(|| scope.poll_region(cx, |result| result));
        if poll.is_pending() && token.is_marked() {
            roster.pending(*key, cx);
        }
        let result = ready!(poll);
        // The future is gone when its end is reported.
        this.scope.set(None);
        if let Some(member) = this.member.take() {
            // A region that never needed its token has not ended it.
            end_token(&member.answer.token, member.answer.info.spawned_at);
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
        has_begun: bool,
    }
}

impl<F: Future> Future for Seated<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let (Some(seat), false) = (this.seat, *this.has_begun) {
            ready!(seat.poll(cx));
            // As any scope, it does not start once it is cancelled. What is pending then is its end.
            if is_cancelled() {
                return Poll::Pending;
            }
            *this.has_begun = true;
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
        let (token, mut about) = (&member.answer.token, member.about());
        let location = member.answer.info.spawned_at;
        live::begin(&mut about, false, location);
        let _announced = Origin::at(location).announce();
        let result = catch_unwind(AssertUnwindSafe(|| {
            let frame = Frame::new(token, &about, None).of(runtime::Task::current());
            // Like any scope it does not start under a cancelled parent; what it has is then dropped in here.
            let own = &frame;
            frame.enter(move || {
                live::enlist(own);
                match with_frame(|frame| frame?.notice(location, CheckPoint::Scope)) {
                    Some(cancelled) => {
                        observe::noticed(&cancelled);
                        Err(cancelled)
                    }
                    None => Ok(f()),
                }
            })
        }));
        if result.is_err() {
            about.observed.unwinds();
        }
        live::end(&about);
        drop(seat);
        match &result {
            Ok(_) => end_token(token, location),
            Err(_) => abandon_token(token, location),
        }
        member.end(result);
    }
}
