//! `RegionState`: what a region knows while it runs. Everything about it that need not be pinned.

use std::mem;
use std::pin::Pin;
use std::task::Context;
use std::time::Instant;

use super::behaviour::{Behaviour, end_token};
use super::token_origin::LOOKS;
use crate::clock;
use crate::context::{Frame, Inside, LatePlace, LateToken, Polled, StandIn};
use crate::delay::Delay;
use crate::guard::Waits;
use crate::live;
use crate::observe::Observed;
use crate::pending::{Kind, note_got_out};
use crate::primitive::Arc;
use crate::runtime::Task;
use crate::token::CancellationToken;

/// A clock that was that of real time when a scope with a deadline began.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Pausable {
    /// And will be.
    No,
    /// It may be paused: then the deadline is this moment of it.
    Running(Instant),
    /// It has been paused. The scope's task watches the deadline, though a thread may do so as well.
    Paused,
}

/// The state of a region, from before its first poll to its end.
pub(super) struct RegionState {
    pub(super) behaviour: Behaviour,
    /// It has been pending, and is not done: `registered` is with its token.
    pub(super) is_begun: bool,
    /// In a branch: nothing has been awaited inside so far by code that would notice a cancel.
    pub(super) is_plain: bool,
    /// Whose poll it is. Set anew when that is another's.
    pub(super) task: Task,
    /// Nobody has needed the token so far: `registered` is with what stands in for it.
    pub(super) is_unmade: bool,
    /// The waker that is registered is not the one of the frame outside, so check points out there are to know.
    pub(super) is_foreign: bool,
    /// What is pending inside; and the region, if it is a hold or foreign.
    pub(super) inside: Inside,
    /// What it rides on, if it does; then it is registered with nothing.
    pub(super) rides: Option<Arc<LateToken>>,
    /// In which poll of that it was polled last.
    pub(super) rode_in: u32,
    /// Its own token for those who ride on it, or did. If the token has been made since, those have been told, and there is none.
    pub(super) late: LatePlace,
    /// The token's own deadline, if this task is the one that watches it.
    pub(super) deadline: Option<Delay>,
    /// Whether the runtime's clock has to be looked at for it.
    pub(super) pausable: Pausable,
    /// How often check points may still look closer before the token is made.
    pub(super) looks: u8,
    pub(super) exit: Option<Box<Exit>>,
}

/// What a region has once it is cancelled, or its body has panicked. Most never are, and are smaller without a place for it.
#[derive(Default)]
pub(super) struct Exit {
    /// The token of a body that unwound when `registered` was with its stand-in.
    pub(super) unwound: Option<CancellationToken>,
    pub(super) waits: Waits,
    /// Running since the cancel was seen, if there is a grace; over, if a source has ended it.
    pub(super) grace: Option<Delay>,
}

impl RegionState {
    /// Of a region that has not begun.
    pub(super) fn new(behaviour: Behaviour) -> Self {
        Self {
            behaviour,
            is_begun: false,
            is_plain: false,
            task: Task::ANY,
            is_unmade: false,
            looks: LOOKS,
            is_foreign: false,
            inside: Inside::NOTHING,
            rides: None,
            rode_in: 0,
            late: LatePlace::default(),
            deadline: None,
            pausable: Pausable::No,
            exit: None,
        }
    }

    /// The usual end of a poll that began without a cancel and is pending: nothing begun or ended inside, and registered
    /// with this waker already. A cancel that came in its middle has woken that, so there will be another poll.
    #[inline]
    pub(super) fn is_as_before(&self, polled: &Polled, is_foreign: bool, has_waker: bool) -> bool {
        let is_registered = self.rides.is_some() || has_waker;
        // With something inside it was announced in there, and what was polled is not empty.
        polled.is_empty() && self.is_foreign == is_foreign && is_registered
    }

    /// The region is done; it had been cancelled, or not.
    pub(super) fn leave(&mut self, was_cancelled: bool) {
        if self.inside.is_some() {
            if self.is_foreign && was_cancelled {
                note_got_out();
            }
            self.is_foreign = false;
            self.inside.end();
        }
    }

    /// It is over, for who observes.
    #[inline(always)]
    pub(super) fn end_observed(&mut self) {
        live::end(&self.behaviour.about);
        self.behaviour.about.observed = Observed::NONE;
    }

    /// The same of one that has never been pending.
    #[inline(always)]
    pub(super) fn end_observed_at_once(&mut self) {
        live::end_at_once(&self.behaviour.about);
        self.behaviour.about.observed = Observed::NONE;
    }

    /// As it was made, once it has [left](Self::leave) and `registered` has no token.
    pub(super) fn reset(&mut self) {
        debug_assert!(!self.is_foreign && !self.inside.is_some());
        debug_assert!(self.late.get().is_none());
        self.rides = None;
        (self.deadline, self.pausable) = (None, Pausable::No);
        self.exit = None;
        (self.is_begun, self.is_unmade, self.looks) = (false, false, LOOKS);
        self.is_plain = false;
        self.end_observed();
    }

    /// The token of a body that unwound while the region had none to itself.
    pub(super) fn unwound(&self) -> Option<&CancellationToken> {
        self.exit.as_ref()?.unwound.as_ref()
    }

    /// What its token would be below, of which it rides or is `registered` with it.
    pub(super) fn stand_in(&self, registered: &CancellationToken) -> StandIn {
        match &self.rides {
            Some(late) => StandIn::Late(Arc::clone(late)),
            None => StandIn::Made(registered.clone()),
        }
    }

    /// Rides on the frame outside from now on, if that is of the same poll and has no token.
    pub(super) fn ride(
        &mut self,
        outer: Option<&Frame<'_>>,
        deadline: Option<(Instant, bool)>,
        cx: &Context<'_>,
    ) -> bool {
        let Some(outer) = outer.filter(|outer| outer.wakes(cx.waker())) else {
            return false;
        };
        let Some(late) = outer.ride() else {
            return false;
        };
        if let Some((at, is_virtual)) = deadline {
            // It need not be woken when what is outside is over by then.
            if !outer.outlook().is_some_and(|outlook| outlook.ends_by(at)) {
                Delay::arm(&mut self.deadline, at, is_virtual, cx.waker());
            }
        }
        self.rode_in = late.polls();
        self.rides = Some(late);
        true
    }

    /// The same, for one that is ridden on and knows by that what it would ride on itself. It has no alarm.
    #[inline]
    pub(super) fn ride_as_known(&mut self) -> bool {
        let Some(late) = self.late.get().and_then(|own| own.ridden_on()) else {
            return false;
        };
        self.rode_in = late.polls();
        self.rides = Some(Arc::clone(late));
        true
    }

    /// Is its task woken by who cancels it through what others have of it?
    pub(super) fn is_woken_for_others(&self) -> bool {
        self.late.get().is_none_or(|own| own.is_woken_with(self.rides.as_ref()))
    }

    /// The token that it has in common with those who ride, or rode: if it has been made, or may be.
    pub(super) fn late_token(&mut self) -> Option<CancellationToken> {
        let is_ridden = self.late.is_ridden();
        let late = self.late.get()?;
        if is_ridden { Some(late.token()) } else { late.made() }
    }

    /// It is over, and had no token when this poll began; `made` since. Ends that, or what those have, or may have, who ride.
    #[inline(always)]
    pub(super) fn end_unmade(&mut self, made: Option<CancellationToken>) {
        if made.is_some() || self.late.get().is_some() {
            self.end_made(made);
        }
    }

    #[inline(never)]
    fn end_made(&mut self, made: Option<CancellationToken>) {
        let (location, owns_token) = (self.behaviour.location, self.behaviour.owns_token);
        let is_ended = self.late.end(|token| {
            if owns_token {
                end_token(token, location);
            }
        });
        if let (Some(token), true, false) = (made, owns_token, is_ended) {
            end_token(&token, location);
        }
    }

    /// The token has been made: nobody rides any more who did while there was none.
    #[inline]
    pub(super) fn let_unmade_riders_go(&mut self) {
        if self.late.get().is_some_and(|late| !late.is_given()) {
            self.late.let_go();
        }
    }

    pub(super) fn set_foreign(&mut self, is_foreign: bool, token: &CancellationToken) {
        if self.is_foreign != is_foreign {
            self.is_foreign = is_foreign;
            self.inside.set(Kind::Foreign, is_foreign);
            if !is_foreign && token.is_marked() {
                note_got_out();
            }
        }
    }

    /// The token was cancelled before what is inside could see it: have it polled again. Not registered perhaps, but it counts:
    /// it has to be polled under this waker before what is outside may drop it.
    pub(super) fn let_notice(&mut self, is_foreign: bool, token: &CancellationToken, cx: &Context<'_>) {
        self.set_foreign(is_foreign, token);
        cx.waker().wake_by_ref();
    }

    /// If the runtime's clock has been paused since the scope began, its deadline goes by that clock from now on.
    pub(super) fn follow_clock(&mut self, token: &CancellationToken, cx: &mut Context<'_>) {
        if let Pausable::Running(at) = self.pausable {
            if clock::is_paused() {
                self.pausable = Pausable::Paused;
                self.deadline = Some(Delay::until(at, true));
                self.poll_deadline(token, cx);
            }
        }
    }

    /// If not, this task will be woken when it has.
    #[inline]
    pub(super) fn has_deadline_come(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = self.deadline.as_mut();
        deadline.is_some_and(|deadline| !deadline.is_quiet() && Pin::new(deadline).poll(cx).is_ready())
    }

    pub(super) fn poll_deadline(&mut self, token: &CancellationToken, cx: &mut Context<'_>) {
        if let Some(deadline) = &mut self.deadline {
            if Pin::new(deadline).poll(cx).is_ready() {
                if self.is_unmade {
                    // It is made in the next poll.
                    cx.waker().wake_by_ref();
                    return;
                }
                self.deadline = None;
                token.expire();
            }
        }
    }

    /// Watches the token's deadline from this task, if nobody does so far. The token goes on wanting attention: whoever
    /// else asks it, or hangs on it, has it watched for everybody, by the timer thread. Few do, and this is cheaper.
    pub(super) fn watch_deadline(&mut self, token: &CancellationToken, cx: &mut Context<'_>) {
        let unwatched = if token.is_quiet() {
            None
        } else {
            token.own_unwatched_deadline()
        };
        match unwatched {
            None => self.deadline = None,
            // Since before the token was made, and by the clock of that time.
            Some(_) if self.deadline.is_some() => self.poll_deadline(token, cx),
            Some((at, is_virtual)) => {
                Delay::arm(&mut self.deadline, at, is_virtual, cx.waker());
                if is_virtual {
                    self.poll_deadline(token, cx);
                }
            }
        }
    }

    /// Has a cancelled body outstayed its grace?
    pub(super) fn poll_grace(&mut self, cx: &mut Context<'_>) -> bool {
        let after = self.behaviour.about.grace;
        if after.is_none() && self.exit.is_none() {
            return false;
        }
        let grace = &mut self.exit.get_or_insert_default().grace;
        let grace = match (grace, after) {
            (Some(grace), _) => grace,
            (none, Some(after)) => none.insert(Delay::after(after)),
            (None, None) => return false,
        };
        Pin::new(grace).poll(cx).is_ready()
    }
}

/// Does it ride on, in a poll of this frame outside? If it is polled more than once in there, nobody else may get to look at the
/// clock. `rode_in`: in which poll of that it was polled last.
pub(super) fn rides_on(late: &Arc<LateToken>, rode_in: &mut u32, outer: &Frame<'_>) -> bool {
    let is_again = mem::replace(rode_in, late.polls()) == late.polls();
    outer.is_late(late) && (!is_again || outer.is_clear(false))
}
