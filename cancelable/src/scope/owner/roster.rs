//! The tasks of an owner that live, and what is to be told of those that have ended.
//!
//! A task that has ended is taken off the list, and nothing of it is kept, unless the owner is being drained: then its name is,
//! for the report. Panics that nobody else has been given are kept for the report too, the first few; of the others only the
//! number. No user code runs under the lock.

use std::borrow::Cow;
use std::mem;
use std::panic::Location;
use std::task::{Context, Poll, Waker};

use super::info::{TaskId, TaskInfo};
use super::report::DrainReport;
use super::seats::Seats;
use super::slots::{Key, Slots};
use crate::context::{self, About};
use crate::primitive::{Arc, Mutex, lock};
use crate::reason::{CancelReason, ReasonKind};
use crate::scope::behaviour::end_token;
use crate::scope::group::TaskPanic;
use crate::token::{CancellationToken, ChildOptions};
use crate::unwind::{FirstPanic, caught};

/// As many panics as a report shows.
const PANICS: usize = 16;

pub(super) type OnPanic = Box<dyn Fn(&TaskPanic) + Send + Sync>;

pub(super) struct Roster {
    token: CancellationToken,
    /// Below that one; cancelled when the owner takes no more tasks.
    accepting: CancellationToken,
    /// Of the scope in which the owner was made: tasks run elsewhere, and take its path and grace along.
    about: About,
    location: &'static Location<'static>,
    seats: Option<Arc<Seats>>,
    /// Who is told of panics. `None`: a panic is the end of all tasks.
    on_panic: Option<OnPanic>,
    state: Mutex<State>,
}

struct State {
    spawned: u64,
    live: Slots<Entry>,
    /// How many of these run on threads.
    blocking: usize,
    is_closed: bool,
    /// All tasks are to go at their next poll, shielded or not.
    are_forced: bool,
    /// Since the first drain began: how the others have ended.
    ended: Option<Ended>,
    panics: Vec<TaskPanic>,
    panicked: u64,
    waiting: Vec<(Ticket, Waker)>,
    tickets: u64,
}

/// The place of one who waits. No other ever gets the same.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// A task that lives.
struct Entry {
    info: TaskInfo,
    /// It runs on a thread, from which nothing can drop it.
    is_blocking: bool,
    /// It is to go at its next poll, shielded or not.
    is_forced: bool,
    /// Of a task that is cancelled and pending; those who wait for its token have been told.
    waker: Option<Waker>,
}

/// A task that may start, or not.
pub(super) struct Enlisted {
    pub(super) key: Key,
    pub(super) info: TaskInfo,
    pub(super) token: CancellationToken,
    pub(super) may_start: bool,
}

#[derive(Clone, Default)]
struct Ended {
    by_themselves: Vec<TaskInfo>,
    forced: Vec<TaskInfo>,
}

/// When a wait for tasks is over.
#[derive(Clone, Copy)]
pub(super) enum Until {
    /// None is left.
    Idle,
    /// None is left that can be dropped.
    NoneToForce,
}

/// What an owner is made with.
pub(super) struct Plan {
    pub(super) parent: CancellationToken,
    pub(super) limit: Option<usize>,
    pub(super) on_panic: Option<OnPanic>,
    pub(super) location: &'static Location<'static>,
}

impl Roster {
    pub(super) fn new(plan: Plan) -> Arc<Self> {
        let token = plan.parent.child_token();
        let (_, about) = context::Context::current().into_parts();
        Arc::new(Self {
            accepting: token.child_token(),
            token,
            about,
            location: plan.location,
            seats: plan.limit.map(Seats::new),
            on_panic: plan.on_panic,
            state: Mutex::new(State {
                spawned: 0,
                live: Slots::new(),
                blocking: 0,
                is_closed: false,
                are_forced: false,
                ended: None,
                panics: Vec::new(),
                panicked: 0,
                waiting: Vec::new(),
                tickets: 0,
            }),
        })
    }

    pub(super) fn token(&self) -> &CancellationToken {
        &self.token
    }

    pub(super) fn accepting(&self) -> &CancellationToken {
        &self.accepting
    }

    pub(super) fn seats(&self) -> Option<&Arc<Seats>> {
        self.seats.as_ref()
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.state).live.len()
    }

    pub(super) fn tasks(&self) -> Vec<TaskInfo> {
        infos(&mut lock(&self.state))
    }

    /// One more task, and whether it may start. After the close it is on no list, and its token is cancelled.
    pub(super) fn enlist(
        &self,
        name: Option<Cow<'static, str>>,
        is_blocking: bool,
        spawned_at: &'static Location<'static>,
    ) -> Enlisted {
        let token = match name.clone() {
            None => self.token.child_token(),
            name => self.token.child_with(ChildOptions {
                name,
                ..ChildOptions::default()
            }),
        };
        let mut state = lock(&self.state);
        let id = TaskId(state.spawned);
        let info = TaskInfo { id, name, spawned_at };
        state.spawned += 1;
        let may_start = !state.is_closed;
        let key = if may_start {
            state.blocking += usize::from(is_blocking);
            state.live.insert(Entry {
                info: info.clone(),
                is_blocking,
                is_forced: false,
                waker: None,
            })
        } else {
            Key::NOWHERE
        };
        drop(state);
        if !may_start {
            if let Some(reason) = self.accepting.reason() {
                token.cancel_with(reason);
            }
        }
        Enlisted {
            key,
            info,
            token,
            may_start,
        }
    }

    pub(super) fn is_live(&self, key: Key) -> bool {
        lock(&self.state).live.get_mut(key).is_some()
    }

    /// The task has ended, and nothing of it is left. Panics of wakers go to `panics`.
    pub(super) fn strike(&self, key: Key, was_forced: bool, panics: &mut FirstPanic) {
        let mut state = lock(&self.state);
        let Some(entry) = state.live.remove(key) else { return };
        state.blocking -= usize::from(entry.is_blocking);
        if let Some(ended) = &mut state.ended {
            let list = if was_forced {
                &mut ended.forced
            } else {
                &mut ended.by_themselves
            };
            list.push(entry.info);
        }
        let is_idle = state.live.len() == state.blocking;
        let waiting = if is_idle {
            mem::take(&mut state.waiting)
        } else {
            Vec::new()
        };
        drop(state);
        panics.run(|| drop(entry.waker));
        for (_, waker) in waiting {
            panics.run(|| waker.wake());
        }
    }

    /// Is this task, which is cancelled, to be dropped if it is pending?
    pub(super) fn is_forced(&self, key: Key) -> bool {
        let mut state = lock(&self.state);
        state.are_forced || state.live.get_mut(key).is_some_and(|entry| entry.is_forced)
    }

    /// This task, which is cancelled, has been polled and is pending: whoever forces it can wake it. (Before the cancel its token
    /// does.)
    pub(super) fn pending(&self, key: Key, cx: &Context<'_>) {
        let waker = cx.waker().clone();
        let mut state = lock(&self.state);
        let are_forced = state.are_forced;
        let Some(entry) = state.live.get_mut(key) else { return };
        let is_forced = are_forced || entry.is_forced;
        let replaced = entry.waker.replace(waker);
        drop(state);
        drop(replaced);
        if is_forced {
            cx.waker().wake_by_ref();
        }
    }

    /// Cancels one task, and has it dropped at its next poll, which is soon.
    pub(super) fn abort(&self, key: Key, token: &CancellationToken, location: &'static Location<'static>) {
        let mut state = lock(&self.state);
        // Before the cancel, so that the poll which that causes sees it.
        let waker = state.live.get_mut(key).and_then(|entry| {
            entry.is_forced = true;
            entry.waker.take()
        });
        drop(state);
        if !token.is_cancelled() {
            token.cancel_plainly(ReasonKind::Manual, location);
        }
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// A task has panicked.
    pub(super) fn panicked(&self, panic: &TaskPanic, panics: &mut FirstPanic) {
        lock(&self.state).panicked += 1;
        match &self.on_panic {
            Some(on_panic) => panics.run(|| on_panic(panic)),
            None => panics.run(|| {
                if !self.token.is_cancelled() {
                    self.token.cancel_with(superseding(panic));
                }
            }),
        }
    }

    /// The panic of a task whose result nobody has asked for.
    pub(super) fn keep(&self, panic: TaskPanic) {
        let mut state = lock(&self.state);
        if state.panics.len() < PANICS {
            state.panics.push(panic);
        } else {
            drop(state);
            caught(|| drop(panic));
        }
    }

    pub(super) fn close(&self, location: &'static Location<'static>) {
        lock(&self.state).is_closed = true;
        if !self.accepting.is_cancelled() {
            self.accepting.cancel_plainly(ReasonKind::Shutdown, location);
        }
    }

    /// From here on it is written down how tasks end.
    pub(super) fn begin_report(&self) {
        lock(&self.state).ended.get_or_insert_default();
    }

    pub(super) fn report(&self) -> DrainReport {
        let mut state = lock(&self.state);
        let Ended { by_themselves, forced } = state.ended.clone().unwrap_or_default();
        DrainReport {
            ended: by_themselves,
            forced,
            running: infos(&mut state),
            panics: mem::take(&mut state.panics),
            panicked: state.panicked,
        }
    }

    pub(super) fn cancel(&self, location: &'static Location<'static>) {
        if !self.token.is_cancelled() {
            self.token.cancel_plainly(ReasonKind::Shutdown, location);
        }
    }

    /// Has all tasks dropped that can be. They are cancelled by now.
    pub(super) fn force(&self) {
        let mut state = lock(&self.state);
        state.are_forced = true;
        let wakers: Vec<Waker> = state.live.iter_mut().filter_map(|entry| entry.waker.take()).collect();
        drop(state);
        let mut panics = FirstPanic::default();
        for waker in wakers {
            panics.run(|| waker.wake());
        }
        panics.resume();
    }

    /// The owner goes away.
    pub(super) fn leave(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        let is_idle = state.live.len() == 0;
        drop(state);
        if is_idle {
            end_token(&self.token, self.location);
        } else if !self.token.is_cancelled() {
            self.token.cancel_with(CancelReason::dropped_at(self.location));
        }
    }

    /// Is it over? Otherwise the waker has a place, which is to be [given back](Self::give_up).
    pub(super) fn poll(&self, until: Until, ticket: &mut Option<Ticket>, cx: &Context<'_>) -> Poll<()> {
        // Cloned without the lock.
        let waker = cx.waker().clone();
        let mut state = lock(&self.state);
        let over = match until {
            Until::Idle => state.live.len() == 0,
            Until::NoneToForce => state.live.len() == state.blocking,
        };
        let unused = if over {
            Some(waker)
        } else if let Some((_, kept)) = state.waiting.iter_mut().find(|(of, _)| *ticket == Some(*of)) {
            Some(mem::replace(kept, waker))
        } else {
            let new = Ticket(state.tickets);
            state.tickets += 1;
            state.waiting.push((new, waker));
            *ticket = Some(new);
            None
        };
        drop(state);
        drop(unused);
        if over { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(super) fn give_up(&self, ticket: Ticket) {
        let mut state = lock(&self.state);
        let at = state.waiting.iter().position(|(of, _)| *of == ticket);
        let waker = at.map(|at| state.waiting.swap_remove(at));
        drop(state);
        drop(waker);
    }
}

fn infos(state: &mut State) -> Vec<TaskInfo> {
    let mut infos: Vec<TaskInfo> = state.live.iter_mut().map(|entry| entry.info.clone()).collect();
    infos.sort_unstable_by_key(TaskInfo::id);
    infos
}

fn superseding(panic: &TaskPanic) -> CancelReason {
    let message = panic.message().map(Box::from);
    CancelReason::superseded("a task of the same owner panicked", message, panic.spawned_at())
}
