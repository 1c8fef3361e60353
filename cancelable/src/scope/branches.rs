//! Several futures in one task, each in a scope of its own: what `race` and `try_join` have in common.
//!
//! Whichever branch decides, the others are cancelled and driven to their end; nothing is dropped that could still get
//! out by itself. A panic decides as well, and goes on when the others are out.

use std::any::Any;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::nature::Nature;
use super::origin::Child;
use super::region::Region;
use crate::context::{About, with_frame};
use crate::unwind::FirstPanic;

/// Which outputs end the other branches. A type rather than a function pointer, whose higher-ranked signature keeps
/// rustc from seeing that a spawned future is `Send` where outputs borrow.
pub trait Rule<T> {
    /// What has happened then, for those who are cancelled by it.
    const DECIDED: &'static str;

    fn decides(output: &T) -> bool;
}

pin_project_lite::pin_project! {
    /// One future in a scope of its own, with a place for its output.
    pub struct Branch<F: Future, U> {
        #[pin]
        region: Region<Child, F>,
        state: State<F::Output>,
        rule: PhantomData<U>,
    }
}

enum State<T> {
    Running,
    /// Ended with this output.
    Output(T),
    /// Ended without: cancelled, superseded before it started, or panicked.
    Over,
}

/// How a branch came out of one poll.
#[derive(Debug)]
pub enum Step {
    Pending,
    /// It has ended, now or in an earlier poll; with an output that decides, or not.
    Ended {
        decides: bool,
    },
    Panicked(Box<dyn Any + Send>),
}

/// A branch, whatever its future. Lent, never owned, so that the set of branches keeps its own auto traits.
pub trait AnyBranch {
    fn step(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step;
    /// Another branch has decided; or else it has panicked.
    fn supersede(self: Pin<&mut Self>, has_panicked: bool);
}

/// Several branches; numbered from 0 in order.
pub trait Branches {
    fn visit(self: Pin<&mut Self>, f: &mut dyn FnMut(Pin<&mut dyn AnyBranch>));
}

impl<F: Future, U> Branch<F, U> {
    pub(super) fn new(f: F, location: &'static Location<'static>) -> Self {
        let nature = Nature {
            // Not before it is superseded: a cancel from outside is for the check point outside to notice, for a branch
            // that gave up would leave the whole without an output, and, where it has to finish, without an end.
            is_check_point: false,
            owns_token: true,
            shields: false,
            about: About::default(),
            location,
        };
        Self {
            region: Region::new(Child, nature, f),
            state: State::Running,
            rule: PhantomData,
        }
    }

    pub(super) fn take_output(self: Pin<&mut Self>) -> Option<F::Output> {
        match std::mem::replace(self.project().state, State::Over) {
            State::Output(output) => Some(output),
            _ => None,
        }
    }
}

impl<F: Future, U: Rule<F::Output>> AnyBranch for Branch<F, U> {
    fn step(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Step {
        let mut this = self.project();
        match this.state {
            State::Running => {}
            State::Output(output) => {
                return Step::Ended {
                    decides: U::decides(output),
                };
            }
            State::Over => return Step::Ended { decides: false },
        }
        // What a losing branch may take to get out is what the scope outside grants.
        let grace = with_frame(|frame| frame.and_then(|frame| frame.grace()));
        this.region.as_mut().set_grace(grace);
        let region = this.region.as_mut();
        let polled = catch_unwind(AssertUnwindSafe(|| region.poll_region(cx, |result| result)));
        match polled {
            Ok(Poll::Pending) => Step::Pending,
            Ok(Poll::Ready(Ok(output))) => {
                let decides = U::decides(&output);
                *this.state = State::Output(output);
                Step::Ended { decides }
            }
            Ok(Poll::Ready(Err(_))) => {
                *this.state = State::Over;
                Step::Ended { decides: false }
            }
            Err(panic) => {
                *this.state = State::Over;
                Step::Panicked(panic)
            }
        }
    }

    fn supersede(self: Pin<&mut Self>, has_panicked: bool) {
        if matches!(self.state, State::Running) {
            let this = self.project();
            let why = if has_panicked {
                "another branch panicked"
            } else {
                U::DECIDED
            };
            if !this.region.supersede(why) {
                *this.state = State::Over;
            }
        }
    }
}

/// Which branch decided the others' fate, or the panic that did.
#[derive(Default)]
pub(super) struct Decision {
    pub(super) by: Option<usize>,
    panics: FirstPanic,
}

impl Decision {
    fn is_made(&self) -> bool {
        self.by.is_some() || self.panics.has_panicked()
    }

    /// Polls all branches that have not ended; ready once all of them have, one way or another.
    ///
    /// # Panics
    ///
    /// Resumes the first panic of a branch, when the others have ended.
    pub(super) fn poll_all<B: Branches>(&mut self, mut branches: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let was_made = self.is_made();
            let mut pending = false;
            let mut number = 0;
            branches.as_mut().visit(&mut |branch| {
                if self.is_made() && !was_made {
                    // Decided a moment ago: what has not started need not start.
                    pending = true;
                    return;
                }
                match branch.step(cx) {
                    Step::Pending => pending = true,
                    Step::Ended { decides } => {
                        if decides && !self.is_made() {
                            self.by = Some(number);
                        }
                    }
                    Step::Panicked(panic) => self.panics.add(panic),
                }
                number += 1;
            });
            if !pending {
                mem::take(&mut self.panics).resume();
                return Poll::Ready(());
            }
            if was_made || !self.is_made() {
                return Poll::Pending;
            }
            // Decided in this round: tell the others, and let those end now that can.
            // (Wakers and callbacks are called, and if one panics the other branches are told all the same.)
            let has_panicked = self.by.is_none();
            branches
                .as_mut()
                .visit(&mut |branch| self.panics.run(|| branch.supersede(has_panicked)));
        }
    }
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
    fn visit(self: Pin<&mut Self>, _: &mut dyn FnMut(Pin<&mut dyn AnyBranch>)) {}
}

impl<F: Future, U: Rule<F::Output>, R: Branches> Branches for Cons<F, U, R> {
    fn visit(self: Pin<&mut Self>, f: &mut dyn FnMut(Pin<&mut dyn AnyBranch>)) {
        let this = self.project();
        f(this.head);
        this.tail.visit(f);
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
    pub(super) fn new(futures: impl IntoIterator<Item = F>, location: &'static Location<'static>) -> Self {
        let branch = |future| Box::pin(Branch::new(future, location));
        Self {
            branches: futures.into_iter().map(branch).collect(),
        }
    }
}

impl<F: Future, U: Rule<F::Output>> Branches for Many<F, U> {
    fn visit(self: Pin<&mut Self>, f: &mut dyn FnMut(Pin<&mut dyn AnyBranch>)) {
        for branch in &mut self.get_mut().branches {
            f(branch.as_mut());
        }
    }
}
