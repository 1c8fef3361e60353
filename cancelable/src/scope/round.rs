//! One round of polls of the branches of a `race` or `try_join`.
//!
//! Branches without a state (`branch.rs`) are polled one after the other in one frame, with one token that is made when somebody asks
//! for it. Then the frame is left, for the token is that of one branch; and so it is for a branch with a state, which has a frame of
//! its own.

use std::future::Future;
use std::mem;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::behaviour::{abandon_token, end_token};
use super::branch::{Branch, Rule};
use super::region::Since;
use super::token_origin::{OfBranch, TokenOnDemand, TokenOrigin, outlook};
use crate::context::{About, Frame, Mark, Polled, is_noted_since, mark, with_frame_of};
use crate::runtime::Task;
use crate::starved;
use crate::token::CancellationToken;
use crate::unwind::FirstPanic;

/// What is done to each branch in turn, whatever its future, until it breaks off.
pub trait Visitor {
    fn visit<F: Future, U: Rule<F::Output>>(&mut self, branch: Pin<&mut Branch<F, U>>) -> ControlFlow<()>;
}

/// Several branches; numbered from 0 in order.
pub trait Branches {
    /// What has happened when one of them decides, for those who are cancelled by it.
    const DECIDED: &'static str;

    fn visit(self: Pin<&mut Self>, from: usize, visitor: &mut impl Visitor) -> ControlFlow<()>;

    fn visit_all(self: Pin<&mut Self>, visitor: &mut impl Visitor) {
        let flow = self.visit(0, visitor);
        debug_assert!(flow.is_continue());
    }
}

/// One poll of all branches that have not ended.
pub(super) struct Round<'a, 'c> {
    pub(super) task: Task,
    pub(super) location: &'static Location<'static>,
    pub(super) cx: &'a mut Context<'c>,
    pub(super) panics: &'a mut FirstPanic,
    /// The decision is made, by this, and the others know. (Before, what has not started need not start.)
    pub(super) lost: Option<&'static str>,
    /// Which one has decided.
    pub(super) by: Option<usize>,
    /// Not all have ended.
    pub(super) is_pending: bool,
    /// Branches may look pending only because the task has used up its budget, now or in the poll before.
    pub(super) is_starved: bool,
    /// When the turn of a loser began.
    pub(super) since: Since,
    /// The number of the first one that has not had its turn.
    pub(super) from: usize,
    /// The number of the next one.
    pub(super) at: usize,
}

/// What has happened when a branch panics.
const PANICKED: &str = "another branch panicked";

/// Why those without a state leave their frame for a moment.
enum Stop {
    /// For one that has a state.
    Whole,
    /// For what one has done in there: its token was made, or something was left pending inside. Is it pending?
    Changed(bool),
}

impl Round<'_, '_> {
    /// Gives each branch its turn; and if that decides, to those that are left once more. Ready once all have ended.
    #[inline]
    pub(super) fn run<S: Branches>(&mut self, mut set: Pin<&mut S>) -> Poll<()> {
        loop {
            let mut unwound = None;
            // What a branch that panics leaves half-done is its own, and is not polled again.
            let panic = match catch_unwind(AssertUnwindSafe(|| self.turns(set.as_mut(), &mut unwound))) {
                Ok(poll) => return poll,
                Err(panic) => panic,
            };
            self.panics.add(panic);
            if let Some(token) = unwound {
                self.at_last(set.as_mut(), Unwound { token });
            }
            if self.lost.is_none() {
                let why = self.by.map_or(PANICKED, |_| S::DECIDED);
                if !self.lose(set.as_mut(), why) {
                    return Poll::Ready(());
                }
            } else {
                self.from = self.at;
            }
        }
    }

    #[inline]
    fn turns<S: Branches>(&mut self, mut set: Pin<&mut S>, unwound: &mut Option<CancellationToken>) -> Poll<()> {
        loop {
            while self.pass(set.as_mut(), unwound) {}
            if !self.is_pending {
                return Poll::Ready(());
            }
            if !self.is_decided() {
                return Poll::Pending;
            }
            // Tell the others, and let those end now that can.
            if !self.lose(set.as_mut(), S::DECIDED) {
                return Poll::Ready(());
            }
        }
    }

    /// Has one decided in this round?
    fn is_decided(&self) -> bool {
        self.by.is_some() && self.lost.is_none()
    }

    /// Tells the others that the decision is made. (Wakers and callbacks are called, and if one panics the other branches are told all
    /// the same.) Is there one that has to end?
    #[inline]
    fn lose<S: Branches>(&mut self, set: Pin<&mut S>, why: &'static str) -> bool {
        struct Supersede<'a> {
            why: &'static str,
            is_starved: bool,
            is_left: bool,
            panics: &'a mut FirstPanic,
        }

        impl Visitor for Supersede<'_> {
            #[inline]
            fn visit<F: Future, U: Rule<F::Output>>(&mut self, branch: Pin<&mut Branch<F, U>>) -> ControlFlow<()> {
                self.is_left |= branch.supersede(self.why, self.is_starved, self.panics);
                ControlFlow::Continue(())
            }
        }

        self.lost = Some(why);
        self.is_starved |= starved::may_be();
        (self.from, self.is_pending) = (0, false);
        let mut supersede = Supersede {
            why,
            is_starved: self.is_starved,
            is_left: false,
            panics: &mut *self.panics,
        };
        set.visit_all(&mut supersede);
        supersede.is_left
    }

    /// Polls those without a state in one frame, until that has to be left, and sees to the reason. Is there more to do?
    #[inline]
    fn pass<S: Branches>(&mut self, mut set: Pin<&mut S>, unwound: &mut Option<CancellationToken>) -> bool {
        self.at = self.from;
        let (task, location) = (self.task, self.location);
        with_frame_of(task, |outer| {
            let of_branch = OfBranch {
                lost: self.lost,
                location,
            };
            let mut unmade = TokenOnDemand::new(&of_branch, About::ROUND, outlook(&of_branch, outer), None);
            let frame = Frame::lazy(&unmade, unmade.state(), About::ROUND, Some(self.cx.waker()), task);
            frame.count_awaits();
            let unwinding = OnUnwind {
                frame: &frame,
                location,
                unwound,
            };
            let (stop, polled) = frame.enter_and_keep(|| {
                let mut turns = Turns {
                    round: &mut *self,
                    frame: &frame,
                    unmade: &unmade,
                    mark: mark(),
                    stop: None,
                };
                let _ = set.as_mut().visit(turns.round.from, &mut turns);
                turns.stop
            });
            mem::forget(unwinding);
            match stop {
                None => {
                    polled.let_go();
                    false
                }
                Some(stop) => {
                    let is_foreign = !frame.outer_wakes(self.cx.waker());
                    self.see_to(set, stop, unmade.take_made(), polled, is_foreign);
                    !self.is_decided()
                }
            }
        })
    }

    /// The frame has been left for a reason.
    #[cold]
    fn see_to<S: Branches>(
        &mut self,
        set: Pin<&mut S>,
        stop: Stop,
        made: Option<CancellationToken>,
        polled: Polled,
        is_foreign: bool,
    ) {
        if let Stop::Whole = stop {
            self.at += 1;
        }
        self.from = self.at;
        match stop {
            Stop::Whole => {
                polled.let_go();
                self.at_last(set, PollWhole);
            }
            Stop::Changed(true) => {
                let changed = Changed {
                    made,
                    polled,
                    is_foreign,
                };
                self.at_last(set, changed);
            }
            Stop::Changed(false) => {
                polled.let_go();
                if let Some(token) = made {
                    end_token(&token, self.location);
                }
            }
        }
    }

    /// Does this to the branch that had the last turn.
    #[cold]
    fn at_last<S: Branches>(&mut self, set: Pin<&mut S>, what: impl Act) {
        let number = self.at - 1;
        let mut at_last = AtLast {
            round: self,
            what: Some(what),
        };
        let _ = set.visit(number, &mut at_last);
    }

    /// The branch whose turn it is was polled.
    #[inline]
    fn polled(&mut self, poll: Poll<bool>) {
        match poll {
            Poll::Pending => self.is_pending = true,
            Poll::Ready(true) if self.lost.is_none() => {
                self.by = Some(self.at - 1);
                // Others may be, or have not had their turn.
                self.is_pending = true;
            }
            Poll::Ready(_) => {}
        }
    }
}

/// Makes the token of a branch whose body unwinds, and cancels it: destructors may ask.
struct OnUnwind<'a, 'f> {
    frame: &'a Frame<'f>,
    location: &'static Location<'static>,
    unwound: &'a mut Option<CancellationToken>,
}

impl Drop for OnUnwind<'_, '_> {
    fn drop(&mut self) {
        let token = self.frame.token().clone();
        abandon_token(&token, self.location);
        *self.unwound = Some(token);
    }
}

/// Polls those without a state, in their frame.
struct Turns<'t, 'a, 'c, 'f> {
    round: &'t mut Round<'a, 'c>,
    frame: &'t Frame<'f>,
    unmade: &'t TokenOnDemand<'t, OfBranch>,
    mark: Mark,
    stop: Option<Stop>,
}

impl Visitor for Turns<'_, '_, '_, '_> {
    #[inline(always)]
    fn visit<F: Future, U: Rule<F::Output>>(&mut self, branch: Pin<&mut Branch<F, U>>) -> ControlFlow<()> {
        let round = &mut *self.round;
        if branch.is_whole() {
            self.stop = Some(Stop::Whole);
            return ControlFlow::Break(());
        }
        round.at += 1;
        let poll = match round.lost {
            None => branch.poll_slim(self.frame, round.cx),
            Some(_) => {
                let since = &mut round.since;
                branch.poll_lost(since, round.is_starved, self.frame, round.cx)
            }
        };
        let is_pending = poll.is_pending();
        let is_polled_again = is_pending && round.lost.is_some();
        if !is_polled_again {
            round.polled(poll);
        }
        let is_foreign = || is_pending && !self.frame.outer_wakes(round.cx.waker());
        if is_polled_again || self.unmade.made().is_some() || is_noted_since(self.mark) || is_foreign() {
            self.stop = Some(Stop::Changed(is_pending));
            return ControlFlow::Break(());
        }
        if round.is_decided() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Something that is done to one branch, outside the frame.
trait Act {
    fn act<F: Future, U: Rule<F::Output>>(self, branch: Pin<&mut Branch<F, U>>, round: &mut Round<'_, '_>);
}

struct AtLast<'t, 'a, 'c, A> {
    round: &'t mut Round<'a, 'c>,
    what: Option<A>,
}

impl<A: Act> Visitor for AtLast<'_, '_, '_, A> {
    fn visit<F: Future, U: Rule<F::Output>>(&mut self, branch: Pin<&mut Branch<F, U>>) -> ControlFlow<()> {
        if let Some(what) = self.what.take() {
            what.act(branch, self.round);
        }
        ControlFlow::Break(())
    }
}

/// It has a state.
struct PollWhole;

impl Act for PollWhole {
    fn act<F: Future, U: Rule<F::Output>>(self, branch: Pin<&mut Branch<F, U>>, round: &mut Round<'_, '_>) {
        let poll = branch.poll_whole(None, round.cx);
        round.polled(poll);
    }
}

/// It has unwound, and keeps the token that its destructors have seen.
struct Unwound {
    token: CancellationToken,
}

impl Act for Unwound {
    fn act<F: Future, U: Rule<F::Output>>(self, branch: Pin<&mut Branch<F, U>>, round: &mut Round<'_, '_>) {
        branch.begin(self.token, None, round.task, round.location);
    }
}

/// It is pending, and needs a state from now on.
struct Changed {
    made: Option<CancellationToken>,
    polled: Polled,
    is_foreign: bool,
}

impl Act for Changed {
    fn act<F: Future, U: Rule<F::Output>>(self, mut branch: Pin<&mut Branch<F, U>>, round: &mut Round<'_, '_>) {
        let of_branch = OfBranch {
            lost: round.lost,
            location: round.location,
        };
        let token = self
            .made
            .unwrap_or_else(|| with_frame_of(round.task, |outer| of_branch.make(outer, About::ROUND)));
        branch
            .as_mut()
            .begin(token, Some(self.polled), round.task, round.location);
        if round.lost.is_some() {
            let poll = branch.poll_whole(Some(round.since), round.cx);
            round.polled(poll);
        } else {
            branch.pending(self.is_foreign, round.cx);
        }
    }
}
