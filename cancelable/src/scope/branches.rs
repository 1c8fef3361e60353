//! Several futures in one task, each in a scope of its own: what `race` and `try_join` have in common.
//!
//! Whichever branch decides, the others are cancelled and driven to their end; nothing is dropped that could still get
//! out by itself. A panic decides as well, and goes on when the others are out.

use std::future::Future;
use std::mem;
use std::ops::ControlFlow;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::branch::{Branch, Rule};
use super::region::Since;
use super::round::{Branches, Round, Visitor};
use crate::context::{StandIn, beat, task_of, with_frame, with_frame_of};
use crate::runtime::Task;
use crate::starved;
use crate::token::CancellationToken;
use crate::unwind::FirstPanic;

pin_project_lite::pin_project! {
    /// A set of branches, and what has become of them.
    pub struct Together<S>
    where
        S: Branches,
    {
        #[pin]
        pub(super) set: S,
        pub(super) story: Story,
    }

    impl<S> PinnedDrop for Together<S>
    where
        S: Branches,
    {
        fn drop(this: Pin<&mut Self>) {
            if this.story.is_running {
                this.abandon();
            }
        }
    }
}

/// What has become of a set of branches.
pub(super) struct Story {
    by: Option<u32>,
    panics: FirstPanic,
    location: &'static Location<'static>,
    /// What is ambient outside, once the branches are pending in there; if nothing is, the token that is never cancelled.
    home: Option<StandIn>,
    /// Branches may have been pending only because the task had used up its budget.
    is_starved: bool,
    /// Branches may have begun that have not ended.
    is_running: bool,
    /// What comes of it all has been handed out.
    is_over: bool,
}

impl Story {
    pub(super) fn new(location: &'static Location<'static>) -> Self {
        Self {
            by: None,
            panics: FirstPanic::default(),
            location,
            home: None,
            is_starved: false,
            is_running: false,
            is_over: false,
        }
    }
}

impl<S: Branches> Together<S> {
    pub(super) fn set(self: Pin<&mut Self>) -> Pin<&mut S> {
        self.project().set
    }

    /// What comes of it all is handed out.
    #[inline]
    pub(super) fn end(self: Pin<&mut Self>) {
        self.project().story.is_over = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.story.is_over
    }

    /// Polls all branches that have not ended; ready once all of them have, one way or another: with the number of the one that
    /// decided.
    ///
    /// # Panics
    ///
    /// Resumes the first panic of a branch, when the others have ended.
    #[inline]
    pub(super) fn poll_all(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        let this = self.project();
        let (mut set, story) = (this.set, this.story);
        let task = task_of(cx.waker());
        if let Some(home) = &story.home {
            if !is_at(home, cx) {
                move_out(set.as_mut(), home, task, story.location);
            }
        } else {
            // It begins: a sign of life, if somebody looks for one.
            beat();
        }
        // (Who is left after a panic has a state, and has been told.)
        let lost = story.by.map(|_| S::DECIDED);
        story.is_running = true;
        let mut round = Round {
            task,
            location: story.location,
            cx,
            panics: &mut story.panics,
            lost,
            by: story.by.map(|by| by as usize),
            is_pending: false,
            is_starved: story.is_starved,
            since: Since::now(),
            from: 0,
            at: 0,
        };
        let poll = round.run(set);
        let by = round.by;
        // (So many branches do not fit into memory that it would not fit.)
        story.by = by.map(|by| by as u32);
        if poll.is_pending() {
            story.is_starved = starved::may_be();
            if story.home.is_none() {
                story.home = Some(outside(task, cx));
            }
            return Poll::Pending;
        }
        story.is_running = false;
        if story.panics.has_panicked() {
            mem::take(&mut story.panics).resume();
        }
        Poll::Ready(by)
    }

    /// Dropped before all have ended.
    #[cold]
    fn abandon(self: Pin<&mut Self>) {
        struct Abandon<'a> {
            home: &'a StandIn,
            location: &'static Location<'static>,
            panics: FirstPanic,
        }

        impl Visitor for Abandon<'_> {
            fn visit<F: Future, U: Rule<F::Output>>(&mut self, branch: Pin<&mut Branch<F, U>>) -> ControlFlow<()> {
                let (home, location) = (self.home, self.location);
                self.panics.run(|| branch.abandon(home, location));
                ControlFlow::Continue(())
            }
        }

        let this = self.project();
        let nowhere = StandIn::Made(CancellationToken::never());
        let mut abandon = Abandon {
            home: this.story.home.as_ref().unwrap_or(&nowhere),
            location: this.story.location,
            panics: FirstPanic::default(),
        };
        this.set.visit_all(&mut abandon);
        abandon.panics.resume();
    }
}

/// What is ambient outside. It has this task woken, if that polls with this waker; else its token is made.
fn outside(task: Task, cx: &Context<'_>) -> StandIn {
    with_frame_of(task, |outer| {
        let Some(outer) = outer else {
            return StandIn::Made(CancellationToken::never());
        };
        let late = if outer.wakes(cx.waker()) { outer.late() } else { None };
        late.map_or_else(|| StandIn::Made(outer.token().clone()), StandIn::Late)
    })
}

/// Is this where `home` is ambient, and would a cancel of that have this poll repeated?
fn is_at(home: &StandIn, cx: &Context<'_>) -> bool {
    with_frame(|outer| match (outer, home) {
        (Some(outer), StandIn::Made(home)) => outer.wakes(cx.waker()) && outer.token() == home,
        (Some(outer), StandIn::Late(late)) => {
            // The token may have been made meanwhile.
            let is_it = outer.is_late(late) || late.made().is_some_and(|home| *outer.token() == home);
            outer.wakes(cx.waker()) && is_it
        }
        (None, home) => matches!(home, StandIn::Made(home) if *home == CancellationToken::never()),
    })
}

/// The branches are polled in another place than where they began.
#[cold]
fn move_out<S: Branches>(set: Pin<&mut S>, home: &StandIn, task: Task, location: &'static Location<'static>) {
    struct MoveOut<'a>(&'a StandIn, Task, &'static Location<'static>);

    impl Visitor for MoveOut<'_> {
        fn visit<F: Future, U: Rule<F::Output>>(&mut self, branch: Pin<&mut Branch<F, U>>) -> ControlFlow<()> {
            branch.move_out(self.0, self.1, self.2);
            ControlFlow::Continue(())
        }
    }

    set.visit_all(&mut MoveOut(home, task, location));
}

pin_project_lite::pin_project! {
    /// Branches of different types: this one, and the rest.
    pub struct Cons<F: Future, U, R> {
        #[pin]
        pub(super) head: Branch<F, U>,
        #[pin]
        pub(super) tail: R,
    }
}

/// No more branches.
#[derive(Debug)]
pub struct Nil;

impl Branches for Nil {
    const DECIDED: &'static str = "";

    #[inline]
    fn visit(self: Pin<&mut Self>, _: usize, _: &mut impl Visitor) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: Future, U: Rule<F::Output>, R: Branches> Branches for Cons<F, U, R> {
    const DECIDED: &'static str = U::DECIDED;

    #[inline]
    fn visit(self: Pin<&mut Self>, from: usize, visitor: &mut impl Visitor) -> ControlFlow<()> {
        let this = self.project();
        if from == 0 {
            visitor.visit(this.head)?;
        }
        this.tail.visit(from.saturating_sub(1), visitor)
    }
}

/// Branches of one type, any number of them.
#[expect(
    missing_debug_implementations,
    reason = "cannot be named; `Race` and `TryJoin` have one"
)]
pub struct Many<F: Future, U> {
    pub(super) branches: Vec<Pin<Box<Branch<F, U>>>>,
}

impl<F: Future, U> Many<F, U> {
    pub(super) fn new(futures: impl IntoIterator<Item = F>) -> Self {
        let branch = |future| Box::pin(Branch::new(future));
        Self {
            branches: futures.into_iter().map(branch).collect(),
        }
    }
}

impl<F: Future, U: Rule<F::Output>> Branches for Many<F, U> {
    const DECIDED: &'static str = U::DECIDED;

    #[inline]
    fn visit(self: Pin<&mut Self>, from: usize, visitor: &mut impl Visitor) -> ControlFlow<()> {
        let mut branches = self.get_mut().branches.iter_mut().skip(from);
        branches.try_for_each(|branch| visitor.visit(branch.as_mut()))
    }
}
