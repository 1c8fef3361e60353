//! Several futures in one task, each in a scope of its own: what `race` and `try_join` have in common.
//!
//! Whichever branch decides, the others are cancelled and driven to their end; nothing is dropped that could still get
//! out by itself. A panic decides as well, and goes on when the others are out.

use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::branch::{Branch, Here, Rule};
use crate::context::{task_of, with_frame, with_frame_of};
use crate::runtime::Task;
use crate::token::CancellationToken;
use crate::unwind::FirstPanic;

/// What is done to each branch in turn, whatever its future.
pub trait Visitor {
    fn visit<F: Future, U: Rule<F::Output>>(&mut self, branch: Pin<&mut Branch<F, U>>);
}

/// Several branches; numbered from 0 in order.
pub trait Branches {
    fn visit(self: Pin<&mut Self>, visitor: &mut impl Visitor);
}

pin_project_lite::pin_project! {
    /// A set of branches, and what has become of them.
    pub struct Together<S>
    where
        S: Branches,
    {
        #[pin]
        set: S,
        decision: Decision,
        location: &'static Location<'static>,
        // What is ambient outside, once the branches are pending in there; if nothing is, the token that is never cancelled.
        home: Option<CancellationToken>,
        // Branches may have begun that have not ended.
        is_running: bool,
    }

    impl<S> PinnedDrop for Together<S>
    where
        S: Branches,
    {
        fn drop(this: Pin<&mut Self>) {
            if this.is_running {
                this.abandon();
            }
        }
    }
}

/// Which branch decided the others' fate, or the panic that did.
#[derive(Default)]
struct Decision {
    by: Option<usize>,
    panics: FirstPanic,
}

impl Decision {
    fn is_made(&self) -> bool {
        self.by.is_some() || self.panics.has_panicked()
    }
}

impl<S: Branches> Together<S> {
    pub(super) fn new(set: S, location: &'static Location<'static>) -> Self {
        Self {
            set,
            decision: Decision::default(),
            location,
            home: None,
            is_running: false,
        }
    }

    pub(super) fn set(self: Pin<&mut Self>) -> Pin<&mut S> {
        self.project().set
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
        let (mut set, decision) = (this.set, this.decision);
        let task = task_of(cx.waker());
        if let Some(home) = this.home {
            if !is_at(home, cx) {
                move_out(set.as_mut(), home, this.location);
            }
        }
        *this.is_running = true;
        loop {
            let was_made = decision.is_made();
            let mut round = Round {
                here: Here {
                    task,
                    location: this.location,
                    has_panicked: decision.panics.has_panicked(),
                },
                cx: &mut *cx,
                from: 0,
                at: 0,
                is_pending: false,
                was_made,
                decision: &mut *decision,
            };
            round.run(set.as_mut());
            let here = round.here;
            if !round.is_pending {
                *this.is_running = false;
                mem::take(&mut decision.panics).resume();
                return Poll::Ready(decision.by);
            }
            if was_made || !decision.is_made() {
                if this.home.is_none() {
                    *this.home = Some(outside(task));
                }
                return Poll::Pending;
            }
            // Decided in this round: tell the others, and let those end now that can.
            supersede(set.as_mut(), decision, here);
        }
    }

    /// Dropped before all have ended.
    #[cold]
    fn abandon(self: Pin<&mut Self>) {
        struct Abandon<'a> {
            home: &'a CancellationToken,
            location: &'static Location<'static>,
            panics: FirstPanic,
        }

        impl Visitor for Abandon<'_> {
            fn visit<F: Future, U: Rule<F::Output>>(&mut self, branch: Pin<&mut Branch<F, U>>) {
                let (home, location) = (self.home, self.location);
                self.panics.run(|| branch.abandon(home, location));
            }
        }

        let this = self.project();
        let nowhere = CancellationToken::never();
        let mut abandon = Abandon {
            home: this.home.as_ref().unwrap_or(&nowhere),
            location: this.location,
            panics: FirstPanic::default(),
        };
        this.set.visit(&mut abandon);
        abandon.panics.resume();
    }
}

/// The token of the frame outside.
fn outside(task: Task) -> CancellationToken {
    with_frame_of(task, |outer| {
        outer.map_or(CancellationToken::never(), |outer| outer.token().clone())
    })
}

/// Is this where `home` is ambient, and would a cancel of that have this poll repeated?
fn is_at(home: &CancellationToken, cx: &Context<'_>) -> bool {
    with_frame(|outer| match outer {
        Some(outer) => outer.wakes(cx.waker()) && outer.token() == home,
        None => *home == CancellationToken::never(),
    })
}

/// One round of polls.
struct Round<'a, 'c> {
    here: Here,
    cx: &'a mut Context<'c>,
    /// The number of the first one to be polled.
    from: usize,
    /// The number of the next one.
    at: usize,
    is_pending: bool,
    was_made: bool,
    decision: &'a mut Decision,
}

impl Round<'_, '_> {
    #[inline]
    fn run<S: Branches>(&mut self, mut set: Pin<&mut S>) {
        // What a branch that panics leaves half-done is its own, and is not polled again.
        while let Err(panic) = catch_unwind(AssertUnwindSafe(|| set.as_mut().visit(self))) {
            self.decision.panics.add(panic);
            (self.from, self.at) = (self.at, 0);
        }
    }
}

impl Visitor for Round<'_, '_> {
    #[inline]
    fn visit<F: Future, U: Rule<F::Output>>(&mut self, branch: Pin<&mut Branch<F, U>>) {
        let number = self.at;
        self.at += 1;
        if number < self.from {
            return;
        }
        let is_made = self.decision.is_made();
        if is_made && !self.was_made {
            // Decided a moment ago: what has not started need not start.
            self.is_pending = true;
            return;
        }
        match branch.poll(self.here, self.cx) {
            Poll::Pending => self.is_pending = true,
            Poll::Ready(decides) => {
                if decides && !is_made {
                    self.decision.by = Some(number);
                }
            }
        }
    }
}

/// Tells the others that the decision is made. (Wakers and callbacks are called, and if one panics the other branches are told all the
/// same.)
fn supersede<S: Branches>(set: Pin<&mut S>, decision: &mut Decision, here: Here) {
    struct Supersede<'a> {
        here: Here,
        panics: &'a mut FirstPanic,
    }

    impl Visitor for Supersede<'_> {
        fn visit<F: Future, U: Rule<F::Output>>(&mut self, branch: Pin<&mut Branch<F, U>>) {
            let here = self.here;
            self.panics.run(|| branch.supersede(here));
        }
    }

    let here = Here {
        has_panicked: decision.by.is_none(),
        ..here
    };
    let panics = &mut decision.panics;
    set.visit(&mut Supersede { here, panics });
}

/// The branches are polled in another place than where they began.
#[cold]
fn move_out<S: Branches>(set: Pin<&mut S>, home: &CancellationToken, location: &'static Location<'static>) {
    struct MoveOut<'a>(&'a CancellationToken, &'static Location<'static>);

    impl Visitor for MoveOut<'_> {
        fn visit<F: Future, U: Rule<F::Output>>(&mut self, branch: Pin<&mut Branch<F, U>>) {
            branch.move_out(self.0, self.1);
        }
    }

    set.visit(&mut MoveOut(home, location));
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
    #[inline]
    fn visit(self: Pin<&mut Self>, _: &mut impl Visitor) {}
}

impl<F: Future, U: Rule<F::Output>, R: Branches> Branches for Cons<F, U, R> {
    #[inline]
    fn visit(self: Pin<&mut Self>, visitor: &mut impl Visitor) {
        let this = self.project();
        visitor.visit(this.head);
        this.tail.visit(visitor);
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
    #[inline]
    fn visit(self: Pin<&mut Self>, visitor: &mut impl Visitor) {
        for branch in &mut self.get_mut().branches {
            visitor.visit(branch.as_mut());
        }
    }
}
