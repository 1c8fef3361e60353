//! One branch of a `race` or `try_join`: a future with a token of its own, and a place for its output.
//!
//! Most branches need no state for that. As long as nobody has asked for the token, nothing that must not be dropped is pending inside
//! (`pending.rs`), and the branch is polled under the waker of the poll outside, it has nothing to register and nothing to keep: it is
//! polled in a frame that it shares with its like. It becomes a whole region when one of these is no longer so, or when it unwinds.

use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::behaviour::Behaviour;
use super::place::clear;
use super::region::{Region, Since, poll_body, running};
use super::state::LateState;
use super::token_origin::{Child, Dropped, TokenOnDemand};
use crate::context::{About, Frame, Outside, Polled, StandIn, is_noted_since, mark, with_frame_of};
use crate::guard::Before;
use crate::runtime::Task;
use crate::starved;
use crate::token::CancellationToken;
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
        region: Region<Child, F, LateState>,
        stage: Stage,
        // Somebody in there has asked whether it is cancelled.
        has_asked: bool,
        output: Option<F::Output>,
        rule: PhantomData<U>,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Fresh,
    /// It has been pending.
    Running,
    /// So it has, and another one has decided.
    Lost,
    /// It has ended: with an output, or cancelled, superseded before it started, or panicked.
    Over,
}

impl<F: Future, U> Branch<F, U> {
    pub(super) fn new(f: F) -> Self {
        Self {
            region: Region::stateless(Child, f),
            stage: Stage::Fresh,
            has_asked: false,
            output: None,
            rule: PhantomData,
        }
    }

    pub(super) fn take_output(self: Pin<&mut Self>) -> Option<F::Output> {
        self.project().output.take()
    }

    /// Has it a state? Then it has a frame of its own, too, and is not polled in that of the others.
    pub(super) fn is_whole(&self) -> bool {
        self.region.has_state()
    }

    /// It needs a state from now on, for it has this token, and has kept what was polled inside. One that has ended may have
    /// unwound: then what is left of its body is dropped under the token.
    #[cold]
    pub(super) fn begin(
        self: Pin<&mut Self>,
        token: CancellationToken,
        polled: Option<Polled>,
        task: Task,
        location: &'static Location<'static>,
    ) {
        let behaviour = Behaviour {
            // Not before it is superseded: a cancel from outside is for the check point outside to notice, for a branch
            // that gave up would leave the whole without an output, and, where it has to finish, without an end.
            is_check_point: false,
            owns_token: true,
            shields: false,
            is_branch: true,
            about: About::nothing(Outside::Round),
            location,
        };
        let (state, _) = self.project().region.places();
        let (registered, live) = state.begin(behaviour);
        registered.adopt(token);
        live.task = task;
        if let Some(polled) = polled {
            live.inside.keep(polled);
        }
    }

    /// The end of a pending poll in which it has begun.
    #[cold]
    pub(super) fn pending(self: Pin<&mut Self>, is_foreign: bool, cx: &mut Context<'_>) {
        let region = self.project().region;
        let poll = region.pending(Before::default(), None, is_foreign, cx);
        debug_assert!(poll.is_pending(), "it is no check point");
    }

    /// It is polled in another place than before, or under another waker: its token is made, as if it had been from the start, and
    /// it registers with that.
    pub(super) fn move_out(self: Pin<&mut Self>, home: &StandIn, task: Task, location: &'static Location<'static>) {
        if self.stage == Stage::Running && !self.is_whole() {
            self.begin(home.token().child_token(), None, task, location);
        }
    }

    /// Another branch has decided. What has not started need not start. Has it to end?
    #[inline]
    pub(super) fn supersede(
        self: Pin<&mut Self>,
        why: &'static str,
        is_starved: bool,
        panics: &mut FirstPanic,
    ) -> bool {
        let this = self.project();
        let has_state = this.region.has_state();
        let mut end = |region: Pin<&mut Region<_, _, _>>| {
            let (_, body) = region.places();
            panics.run(|| clear(body));
            Stage::Over
        };
        *this.stage = match *this.stage {
            Stage::Fresh => end(this.region),
            // What has no destructor needs no frame to be dropped in.
            Stage::Running if !has_state && !*this.has_asked && !is_starved && !mem::needs_drop::<F>() => {
                end(this.region)
            }
            Stage::Running => {
                if has_state {
                    panics.run(|| this.region.supersede(why));
                }
                Stage::Lost
            }
            stage => stage,
        };
        *this.stage != Stage::Over
    }

    /// It is dropped by its owner: what is left of it goes inside its frame, where destructors see its token cancelled.
    pub(super) fn abandon(self: Pin<&mut Self>, home: &StandIn, location: &'static Location<'static>) {
        let this = self.project();
        let stage = mem::replace(this.stage, Stage::Over);
        if this.region.is_begun() {
            this.region.abandon();
        } else if matches!(stage, Stage::Running | Stage::Lost) {
            let stand_in = home.clone();
            let dropped = Dropped { stand_in, location };
            let unmade = TokenOnDemand::dropped(&dropped, About::ROUND);
            let (_, body) = this.region.places();
            Frame::lazy(&unmade, unmade.state(), About::ROUND, None, Task::ANY).enter(|| clear(body));
        }
    }
}

impl<F: Future, U: Rule<F::Output>> Branch<F, U> {
    /// Polls one without a state, in the frame of such, unless it has ended. Does it decide?
    #[inline(always)]
    pub(super) fn poll_slim(self: Pin<&mut Self>, frame: &Frame<'_>, cx: &mut Context<'_>) -> Poll<bool> {
        let this = self.project();
        if *this.stage == Stage::Over {
            return Poll::Ready(false);
        }
        // If it unwinds, it is over.
        *this.stage = Stage::Over;
        let (_, body) = this.region.places();
        frame.await_question();
        match poll_body(body, cx) {
            Poll::Pending => {
                *this.stage = Stage::Running;
                *this.has_asked |= !frame.is_unasked();
                Poll::Pending
            }
            Poll::Ready(output) => Poll::Ready(U::decides(this.output.insert(output))),
        }
    }

    /// One without a state learns that it has lost: in a frame whose token is cancelled, for all who ask. Nothing has been left
    /// pending inside that must not be dropped.
    ///
    /// If nobody in there has ever asked, it is dropped there and then, and so it is if it is pending once more, with nothing inside.
    /// If not, or if it may be pending only because the task has used up its budget, it is to become whole.
    #[inline(always)]
    pub(super) fn poll_lost(
        self: Pin<&mut Self>,
        since: &mut Since,
        is_starved: bool,
        frame: &Frame<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<bool> {
        let this = self.project();
        if *this.stage == Stage::Over {
            return Poll::Ready(false);
        }
        *this.stage = Stage::Over;
        let (_, mut body) = this.region.places();
        if !*this.has_asked && !is_starved && !frame.is_cancelled_round() {
            clear(body);
            return Poll::Ready(false);
        }
        *since = Since::now();
        let mark = mark();
        let mut poll = running(body.as_mut()).poll(cx);
        if poll.is_pending() && !is_noted_since(mark) {
            let (again, is_starved) = starved::ask_once(since.put_off(), running(body.as_mut()), cx);
            poll = again;
            let may_be_dropped = !is_starved && !is_noted_since(mark) && !frame.is_cancelled_round();
            if poll.is_pending() && may_be_dropped {
                clear(body);
                return Poll::Ready(false);
            }
        }
        match poll {
            Poll::Pending => {
                *this.stage = Stage::Lost;
                Poll::Pending
            }
            Poll::Ready(output) => {
                clear(body);
                *this.output = Some(output);
                Poll::Ready(false)
            }
        }
    }

    /// A poll of one that has a state. `since`: it has got that in this very poll, which was in the frame of those without.
    #[cold]
    pub(super) fn poll_whole(self: Pin<&mut Self>, since: Option<Since>, cx: &mut Context<'_>) -> Poll<bool> {
        let this = self.project();
        let mut region = this.region;
        let stage = mem::replace(this.stage, Stage::Over);
        match stage {
            Stage::Over => return Poll::Ready(false),
            Stage::Fresh | Stage::Running => {}
            Stage::Lost => {
                // What it may take to get out is what the scope outside grants.
                let grace = with_frame_of(Task::current(), |frame| frame.and_then(Frame::grace));
                region.as_mut().lose(grace);
            }
        }
        let poll = match since {
            None => region.poll_region(cx, Result::ok),
            since => region.poll_with_care(since, cx, Result::ok),
        };
        match poll {
            Poll::Pending => {
                *this.stage = stage;
                Poll::Pending
            }
            Poll::Ready(Some(output)) => Poll::Ready(U::decides(this.output.insert(output))),
            Poll::Ready(None) => Poll::Ready(false),
        }
    }
}
