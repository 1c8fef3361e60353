//! The tasks of an owner that live, and what is to be told of those that have ended.
//!
//! A task that has ended is taken off the list, and nothing of it is kept, unless the owner is being drained: then its name is,
//! for the report. Panics that nobody else has been given are kept for the report too, the first few; of the others only the
//! number. No user code runs under the lock.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem;
use std::panic::Location;
use std::task::{Context, Poll};

use super::entry::{Entry, TaskId, TaskInfo};
use super::queue::{Queue, Ticket};
use super::report::DrainReport;
use super::seats::Seats;
use crate::context::{About, Carried};
use crate::primitive::{Arc, Mutex, lock};
use crate::reason::{CancelReason, ReasonKind};
use crate::scope::group::TaskPanic;
use crate::scope::nature::end_token;
use crate::token::{CancellationToken, ChildOptions};
use crate::unwind::{FirstPanic, caught};

/// As many panics as a report shows.
const PANICS: usize = 16;

pub(super) type OnPanic = Box<dyn Fn(&TaskPanic) + Send + Sync>;

pub(super) struct Roster {
    token: CancellationToken,
    /// Below that one; cancelled when the owner takes no more tasks.
    accepting: CancellationToken,
    /// Of the scope in which the owner was made: tasks run elsewhere, and take its name and grace along.
    about: About,
    location: &'static Location<'static>,
    seats: Option<Arc<Seats>>,
    /// Who is told of panics. `None`: a panic is the end of all tasks.
    on_panic: Option<OnPanic>,
    state: Mutex<State>,
}

struct State {
    spawned: u64,
    live: BTreeMap<TaskId, Arc<Entry>>,
    /// How many of these run on threads.
    blocking: usize,
    is_closed: bool,
    /// Since the first drain began: how the others have ended.
    ended: Option<Ended>,
    panics: Vec<TaskPanic>,
    panicked: u64,
    waiting: Queue,
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
        let (_, about) = Carried::from_here().into_parts();
        Arc::new(Self {
            accepting: token.child_token(),
            token,
            about,
            location: plan.location,
            seats: plan.limit.map(Seats::new),
            on_panic: plan.on_panic,
            state: Mutex::new(State {
                spawned: 0,
                live: BTreeMap::new(),
                blocking: 0,
                is_closed: false,
                ended: None,
                panics: Vec::new(),
                panicked: 0,
                waiting: Queue::default(),
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
        infos(&lock(&self.state))
    }

    /// One more task, and whether it may start. After the close it is on no list, and its token is cancelled.
    pub(super) fn enlist(
        &self,
        name: Option<Cow<'static, str>>,
        is_blocking: bool,
        spawned_at: &'static Location<'static>,
    ) -> (Arc<Entry>, bool) {
        let token = self.token.child_with(ChildOptions {
            name: name.clone().or_else(|| self.about.name.clone()),
            ..ChildOptions::default()
        });
        let mut state = lock(&self.state);
        let id = TaskId(state.spawned);
        let info = TaskInfo { id, name, spawned_at };
        state.spawned += 1;
        if state.is_closed {
            drop(state);
            if let Some(reason) = self.accepting.reason() {
                token.cancel_with(reason);
            }
            return (Entry::new(info, token, is_blocking), false);
        }
        let entry = Entry::new(info, token, is_blocking);
        state.live.insert(id, Arc::clone(&entry));
        state.blocking += usize::from(is_blocking);
        (entry, true)
    }

    /// The task has ended, and nothing of it is left. Panics of wakers go to `panics`.
    pub(super) fn strike(&self, entry: &Arc<Entry>, was_forced: bool, panics: &mut FirstPanic) {
        let mut state = lock(&self.state);
        let Some(struck) = state.live.remove(&entry.info.id) else {
            return;
        };
        state.blocking -= usize::from(entry.is_blocking);
        if let Some(ended) = &mut state.ended {
            let list = if was_forced {
                &mut ended.forced
            } else {
                &mut ended.by_themselves
            };
            list.push(entry.info.clone());
        }
        let is_idle = state.live.is_empty() || state.live.len() == state.blocking;
        let waiting = is_idle.then(|| state.waiting.take_all());
        drop(state);
        drop(struck);
        for waker in waiting.into_iter().flatten() {
            panics.run(|| waker.wake());
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
            running: infos(&state),
            panics: mem::take(&mut state.panics),
            panicked: state.panicked,
        }
    }

    pub(super) fn cancel(&self, location: &'static Location<'static>) {
        if !self.token.is_cancelled() {
            self.token.cancel_plainly(ReasonKind::Shutdown, location);
        }
    }

    /// Has all tasks dropped that can be.
    pub(super) fn force(&self, location: &'static Location<'static>) {
        let entries: Vec<Arc<Entry>> = lock(&self.state).live.values().cloned().collect();
        let mut panics = FirstPanic::default();
        for entry in entries {
            panics.run(|| entry.force(ReasonKind::Shutdown, location));
        }
        panics.resume();
    }

    /// The owner goes away.
    pub(super) fn leave(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        let is_idle = state.live.is_empty();
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
            Until::Idle => state.live.is_empty(),
            Until::NoneToForce => state.live.len() == state.blocking,
        };
        let unused = if over {
            Some(waker)
        } else if let Some(kept) = ticket.and_then(|ticket| state.waiting.get_mut(ticket)) {
            Some(mem::replace(kept, waker))
        } else {
            *ticket = Some(state.waiting.push(waker));
            None
        };
        drop(state);
        drop(unused);
        if over { Poll::Ready(()) } else { Poll::Pending }
    }

    pub(super) fn give_up(&self, ticket: Ticket) {
        let waker = lock(&self.state).waiting.remove(ticket);
        drop(waker);
    }
}

fn infos(state: &State) -> Vec<TaskInfo> {
    state.live.values().map(|entry| entry.info.clone()).collect()
}

fn superseding(panic: &TaskPanic) -> CancelReason {
    let message = panic.message().map(Box::from);
    CancelReason::superseded("a task of the same owner panicked", message, panic.spawned_at())
}
