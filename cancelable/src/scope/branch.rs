//! One branch of a `race` or `try_join`: a future with a token of its own, with a place for its output.
//!
//! Most branches need no state for that. As long as nobody has asked for the token, nothing that must not be dropped is pending inside
//! (`pending.rs`), and the branch is polled under the waker of the poll outside, it has nothing to register and nothing to keep: a
//! frame for each poll is all. It becomes a whole region when one of these is no longer so, or when it unwinds.

use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::nature::{Nature, abandon_token, end_token};
use super::origin::{Child, Dropped, LOOKS, Origin, Superseded, Unmade};
use super::place::clear;
use super::region::{Region, poll_body, running};
use super::state::LateState;
use crate::context::{About, Frame, Polled, is_noted_since, mark, probe, with_frame, with_frame_of};
use crate::guard::Before;
use crate::pending::{Kind, Question};
use crate::runtime::Task;
use crate::starved::Starved;
use crate::token::{CancellationToken, StateRef};

/// Which outputs end the other branches. A type rather than a function pointer, whose higher-ranked signature keeps
/// rustc from seeing that a spawned future is `Send` where outputs borrow.
pub trait Rule<T> {
    /// What has happened then, for those who are cancelled by it.
    const DECIDED: &'static str;

    fn decides(output: &T) -> bool;
}

type BranchRegion<F> = Region<Child, F, LateState>;

pin_project_lite::pin_project! {
    /// One future in a scope of its own, with a place for its output.
    pub struct Branch<F: Future, U> {
        #[pin]
        region: BranchRegion<F>,
        stage: Stage,
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

/// What the branches of one set have in common, in one poll of it.
#[derive(Clone, Copy)]
pub(super) struct Here {
    pub(super) task: Task,
    pub(super) location: &'static Location<'static>,
    /// It is a panic that has decided, if anything has.
    pub(super) has_panicked: bool,
}

impl<F: Future, U> Branch<F, U> {
    pub(super) fn new(f: F) -> Self {
        Self {
            region: Region::stateless(Child, f),
            stage: Stage::Fresh,
            output: None,
            rule: PhantomData,
        }
    }

    pub(super) fn take_output(self: Pin<&mut Self>) -> Option<F::Output> {
        self.project().output.take()
    }

    /// It is polled in another place than before, or under another waker: its token is made, as if it had been from the start, and
    /// it registers with that.
    pub(super) fn move_out(self: Pin<&mut Self>, home: &CancellationToken, location: &'static Location<'static>) {
        let this = self.project();
        if *this.stage == Stage::Running && !this.region.has_state() {
            let (state, _) = this.region.places();
            begin(state, home.child_token(), location, None);
        }
    }

    /// It is dropped by its owner: what is left of it goes inside its frame, where destructors see its token cancelled.
    pub(super) fn abandon(self: Pin<&mut Self>, home: &CancellationToken, location: &'static Location<'static>) {
        let this = self.project();
        let stage = mem::replace(this.stage, Stage::Over);
        if this.region.is_begun() {
            this.region.abandon();
        } else if matches!(stage, Stage::Running | Stage::Lost) {
            let stand_in = home.clone();
            let dropped = Dropped { stand_in, location };
            let unmade = Unmade::new(&dropped, About::ROUND, 0);
            let (_, body) = this.region.places();
            Frame::lazy(&unmade, dropped.state(None), About::ROUND, None).enter(|| clear(body));
        }
    }
}

impl<F: Future, U: Rule<F::Output>> Branch<F, U> {
    /// Polls it, unless it has ended. Does it decide?
    #[inline]
    pub(super) fn poll(self: Pin<&mut Self>, here: Here, cx: &mut Context<'_>) -> Poll<bool> {
        let this = self.project();
        let region = this.region;
        // If it unwinds, it is over.
        let stage = mem::replace(this.stage, Stage::Over);
        let poll = match stage {
            Stage::Over => return Poll::Ready(false),
            stage if region.has_state() => poll_whole(region, stage, cx),
            Stage::Lost => poll_lost(region, decided::<F, U>(here), here, cx),
            Stage::Fresh | Stage::Running => poll_slim(region, here, cx).map(Some),
        };
        match poll {
            Poll::Pending => {
                *this.stage = if stage == Stage::Lost { stage } else { Stage::Running };
                Poll::Pending
            }
            Poll::Ready(Some(output)) => {
                let decides = U::decides(&output);
                *this.output = Some(output);
                Poll::Ready(decides)
            }
            Poll::Ready(None) => Poll::Ready(false),
        }
    }

    /// Another branch has decided. What has not started need not start.
    pub(super) fn supersede(self: Pin<&mut Self>, here: Here) {
        let this = self.project();
        match *this.stage {
            Stage::Fresh => {
                *this.stage = Stage::Over;
                let (_, body) = this.region.places();
                clear(body);
            }
            Stage::Running => {
                *this.stage = Stage::Lost;
                if this.region.has_state() {
                    this.region.supersede(decided::<F, U>(here));
                }
            }
            Stage::Lost | Stage::Over => {}
        }
    }
}

/// What has happened, for those who are cancelled by it.
fn decided<F: Future, U: Rule<F::Output>>(here: Here) -> &'static str {
    if here.has_panicked {
        "another branch panicked"
    } else {
        U::DECIDED
    }
}

fn nature(location: &'static Location<'static>) -> Nature {
    Nature {
        // Not before it is superseded: a cancel from outside is for the check point outside to notice, for a branch
        // that gave up would leave the whole without an output, and, where it has to finish, without an end.
        is_check_point: false,
        owns_token: true,
        shields: false,
        about: About::nothing(crate::context::Outside::Round),
        location,
    }
}

/// It needs a state from now on.
fn begin(
    state: &mut LateState,
    token: CancellationToken,
    location: &'static Location<'static>,
    polled: Option<Polled>,
) {
    let (registered, live) = state.begin(nature(location));
    registered.adopt(token);
    if let Some(polled) = polled {
        live.inside.keep(polled);
    }
}

/// Makes the token of a branch whose body unwinds, and cancels it: destructors may ask. The branch keeps it, so that what is left of
/// the body is dropped under it.
struct OnUnwind<'a, 'f> {
    frame: &'a Frame<'f>,
    state: &'a mut LateState,
    location: &'static Location<'static>,
}

impl Drop for OnUnwind<'_, '_> {
    fn drop(&mut self) {
        let token = self.frame.token().clone();
        abandon_token(&token, self.location);
        begin(self.state, token, self.location, None);
    }
}

/// A poll of one that needs no state so far.
#[inline]
fn poll_slim<F: Future>(mut region: Pin<&mut BranchRegion<F>>, here: Here, cx: &mut Context<'_>) -> Poll<F::Output> {
    with_frame_of(here.task, |outer| {
        let (state, body) = region.as_mut().places();
        let mut unmade = Unmade::new(&Child, About::ROUND, LOOKS);
        let frame = Frame::lazy(&unmade, Child.state(outer), About::ROUND, Some(cx.waker())).of(here.task);
        let location = here.location;
        let unwinding = OnUnwind {
            frame: &frame,
            state,
            location,
        };
        let (poll, polled) = frame.enter_and_keep(|| poll_body(body, cx));
        mem::forget(unwinding);
        let is_foreign = poll.is_pending() && !frame.outer_wakes(cx.waker());
        let made = unmade.take_made();
        match poll {
            Poll::Ready(output) => {
                if let Some(token) = made {
                    end_token(&token, location);
                }
                polled.let_go();
                Poll::Ready(output)
            }
            Poll::Pending if made.is_none() && !is_foreign && polled.is_empty() => Poll::Pending,
            Poll::Pending => {
                become_whole(region, made, polled, is_foreign, here, cx);
                Poll::Pending
            }
        }
    })
}

/// The end of a pending poll after which it needs a state.
#[inline(never)]
fn become_whole<F: Future>(
    mut region: Pin<&mut BranchRegion<F>>,
    made: Option<CancellationToken>,
    polled: Polled,
    is_foreign: bool,
    here: Here,
    cx: &mut Context<'_>,
) {
    let token = made.unwrap_or_else(|| with_frame_of(here.task, |outer| Child.make(outer, About::ROUND)));
    let (state, _) = region.as_mut().places();
    begin(state, token, here.location, None);
    let poll = region.pending(Before::default(), polled, is_foreign, cx);
    debug_assert!(poll.is_pending(), "it is no check point");
}

/// The poll in which it learns that it has lost. Its token is cancelled, for all who ask; made only then. Nothing has been left
/// pending inside that must not be dropped. If that is still so, it is dropped there and then.
#[inline]
fn poll_lost<F: Future>(
    mut region: Pin<&mut BranchRegion<F>>,
    why: &'static str,
    here: Here,
    cx: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    let location = here.location;
    let superseded = Superseded { why, location };
    let unmade = Unmade::new(&superseded, About::ROUND, 0);
    let frame = Frame::lazy(&unmade, StateRef::wants_attention(), About::ROUND, Some(cx.waker())).of(here.task);
    let (state, mut body) = region.as_mut().places();
    let unwinding = OnUnwind {
        frame: &frame,
        state,
        location,
    };
    // (No check point so far: without a ticket.)
    let mut starved = Starved::before(None, false);
    let (poll, polled) = frame.enter_and_keep(|| {
        let mark = mark();
        let mut poll = running(body.as_mut()).poll(cx);
        if poll.is_pending() && !is_noted_since(mark) {
            poll = starved.ask(running(body.as_mut()), cx);
        }
        let may_end = || !is_noted_since(mark) && starved.is_not() && !has_loose(&frame);
        if poll.is_ready() || may_end() {
            clear(body.as_mut());
        }
        poll
    });
    mem::forget(unwinding);
    if body.is_none() {
        polled.let_go();
        return match poll {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => {
                probe::noticed(location);
                Poll::Ready(None)
            }
        };
    }
    begin(state, frame.token().clone(), location, Some(polled));
    poll_whole(region, Stage::Lost, cx)
}

/// Is something loose where this branch ends that its end might drop?
fn has_loose(frame: &Frame<'_>) -> bool {
    let has = |kind| frame.has_loose(Question::any(kind), None);
    has(Kind::Hold) || has(Kind::Foreign)
}

/// A poll of one that has a state.
#[inline(never)]
fn poll_whole<F: Future>(
    mut region: Pin<&mut BranchRegion<F>>,
    stage: Stage,
    cx: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    if stage == Stage::Lost {
        // What it may take to get out is what the scope outside grants.
        let grace = with_frame(|frame| frame.and_then(Frame::grace));
        region.as_mut().lose(grace);
    }
    region.poll_region(cx, Result::ok)
}
