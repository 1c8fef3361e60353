//! What is pending inside a check point, and must not be dropped unasked.
//!
//! Two kinds: *holds* (a pending shield, an await that finishes what it has begun), and *foreign waiters*, check points that wait
//! under a waker which is not their scope's. Each is a thing with an identity, and knows where it was last polled. A check point,
//! or a region, that has such things inside is one itself, the *keeper* of what was last polled in it; so they make a tree, which
//! follows the futures wherever they go.
//!
//! All this is for the few futures that have such things inside. Who adds a thing to a keeper, and when, is in `context/notes.rs`
//! and `guard/`.

use std::cell::Cell;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;

use crate::primitive::{Arc, Mutex, MutexGuard, lock};
use crate::unwind::FirstPanic;

/// How often check points that do not wait are spared for a hold, until it is polled again: a loop that never polls it has to
/// end some time.
const SPARED_FOR_A_HOLD: u32 = 1000;
/// The same for foreign waiters, until one of them gets out.
const SPARED_FOR_FOREIGN: u32 = 32;

thread_local! {
    /// How many foreign waiters have got out of a cancelled scope on this thread.
    static GOT_OUT: Cell<u32> = const { Cell::new(0) };
}

pub(crate) fn got_out() -> u32 {
    GOT_OUT.get()
}

/// A foreign waiter has got out of a cancelled scope.
pub(crate) fn note_got_out() {
    GOT_OUT.set(GOT_OUT.get().wrapping_add(1));
}

/// Why a check point must not drop what is pending inside it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Hold = 0,
    Foreign = 1,
}

impl Kind {
    const BOTH: [Self; 2] = [Self::Hold, Self::Foreign];
}

/// Where a thing was last polled: the number of its keeper, which no other ever has.
pub(crate) type Place = u64;

/// Where it was last polled, nobody is any more.
const GONE: Place = 0;
/// It is being polled, or was where there is no keeper.
const ELSEWHERE: Place = 1;

/// A number for a keeper. Each thread takes some at a time.
fn new_place() -> Place {
    const SOME: u64 = 1024;
    // Not part of any model: nothing is told by these numbers but that they differ.
    static TAKEN: AtomicU64 = AtomicU64::new(ELSEWHERE + 1);
    thread_local! {
        static OWN: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    }
    let (mut next, mut end) = OWN.get();
    if next == end {
        next = TAKEN.fetch_add(SOME, Ordering::Relaxed);
        end = next + SOME;
    }
    OWN.set((next + 1, end));
    next
}

/// A hold, a foreign waiter, a keeper, or several of these in one.
pub(crate) struct Pending {
    place: Place,
    state: Mutex<State>,
}

struct State {
    /// What it is itself, by kind.
    is: [bool; 2],
    /// Its future is done; what is inside may live on, for it is somebody else's.
    is_over: bool,
    /// It is polled by code that is no check point, where it stands.
    is_bare: bool,
    /// How it was last polled.
    level: Level,
    /// The await in which that was has ended: so that was polled.
    loose: Option<Level>,
    within: Place,
    /// Where it was last adopted, while it is being polled.
    last: Place,
    /// Where it was before that.
    before: Place,
    /// How often it had been polled when somebody asked whether it still is.
    asked: Option<u32>,
    /// Which lists of which keeper it is in.
    listed_in: Place,
    listed: [bool; 2],
    /// How often it has been polled, as far as keepers are concerned.
    polls: u32,
    spared: u32,
    /// When it was last spared, by [`got_out`].
    spared_at: u32,
    /// By kind. Some may have ended, or moved.
    inside: [List; 2],
    /// Those who wait for it to end, or to move.
    waiting: Vec<Waiting>,
}

/// Things that have been inside. Those that have moved or ended are taken out when it has doubled since that was done last, so that it
/// does not grow in a loop that goes on for ever.
#[derive(Default)]
struct List {
    things: Vec<Arc<Pending>>,
    room: usize,
}

/// A list is not gone through before it is as long.
const ROOM: usize = 8;

impl List {
    /// Adds one; all of them are to be gone through if the list has become long.
    fn push(&mut self, thing: Arc<Pending>) -> Option<Vec<Arc<Pending>>> {
        self.things.push(thing);
        (self.things.len() > self.room.max(ROOM)).then(|| self.things.clone())
    }

    /// Takes out, to be dropped outside the lock, what has gone, and what is in it more than once, for it has been away.
    fn take(&mut self, gone: &HashSet<Place>) -> Vec<Arc<Pending>> {
        let mut seen = HashSet::new();
        let is_left = |thing: &Arc<Pending>| !gone.contains(&thing.place) && seen.insert(thing.place);
        let (left, taken) = std::mem::take(&mut self.things).into_iter().partition(is_left);
        self.things = left;
        self.room = 2 * self.things.len();
        taken
    }
}

struct Waiting {
    /// Shared, so that it can be taken out of the lock without running user code.
    waker: Arc<Waker>,
    /// It has been woken once because the thing had moved, and not since.
    knows: bool,
}

impl State {
    /// Those to be woken because it has moved, each once: two who share it, and wait, would otherwise wake each other for ever.
    fn moved(&mut self) -> Vec<Arc<Waker>> {
        let news = self.waiting.iter_mut().filter(|waiting| !waiting.knows);
        news.map(|waiting| {
            waiting.knows = true;
            Arc::clone(&waiting.waker)
        })
        .collect()
    }

    fn is_valid_in(&self, keeper: Place) -> bool {
        self.within == keeper || (self.within == GONE && self.before == keeper)
    }

    /// It may be back in a moment, from the poll that it is in; or, where it is now, be left by all.
    fn may_return_to(&self, keeper: Place, kind: Kind) -> bool {
        (self.within == ELSEWHERE && self.last == keeper) || (kind == Kind::Hold && self.before == keeper)
    }

    fn has(&self, kind: Kind) -> bool {
        self.is[kind as usize] || !self.inside[kind as usize].things.is_empty()
    }
}

/// By whose waker an await is polled: the scope's own, or that of a crowd's member, for example. A failure of a member is the
/// crowd's affair, and does no harm to what the owner of the crowd has begun.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Own,
    /// By its address.
    Foreign(usize),
}

/// What a keeper is asked.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) kind: Kind,
    /// Woken when the answer may be another, if it is yes.
    pub(crate) waker: Option<&'a Waker>,
    /// Whoever asks waits, and is to be woken when what is found has ended or moved; if not, it is spared only so often.
    pub(crate) waits: bool,
    /// All that is inside, or only what is loose.
    pub(crate) of: Of,
    /// None of these.
    pub(crate) except: &'a [Place],
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    All,
    /// What is loose, for a check point of this level, if that is known.
    Loose(Option<Level>),
    /// What nobody has in an await, and may be left behind, for the same.
    Bare(Option<Level>),
}

impl<'a> Question<'a> {
    /// Is there anything of this kind inside?
    pub(crate) fn any(kind: Kind) -> Self {
        Self {
            kind,
            waker: None,
            waits: true,
            of: Of::All,
            except: &[],
        }
    }

    /// The same for one who is to be woken when it has ended or moved.
    pub(crate) fn waiting(kind: Kind, waker: &'a Waker) -> Self {
        Self {
            waker: Some(waker),
            ..Self::any(kind)
        }
    }

    /// The same for a check point that does not wait.
    pub(crate) fn spared(kind: Kind) -> Self {
        Self {
            waits: false,
            ..Self::any(kind)
        }
    }

    pub(crate) fn of(self, of: Of) -> Self {
        Self { of, ..self }
    }

    fn is_about(&self, state: &State, place: Place, loose: Option<Level>) -> bool {
        let is_left = state.within == GONE;
        let is_asked_for = match self.of {
            Of::All => true,
            Of::Loose(None) => is_left || loose.is_some(),
            Of::Loose(level) => is_left || loose == level,
            // What is sync is taken to be the scope's own.
            Of::Bare(level) => loose.is_none() && state.is_bare && level.unwrap_or(Level::Own) == state.level,
        };
        is_asked_for && !self.except.contains(&place)
    }
}

/// The keepers in which a question is being asked, the last first: there may be circles, where coroutines are polled in each other.
struct Path<'a> {
    place: Place,
    up: Option<&'a Path<'a>>,
}

impl Path<'_> {
    fn has(&self, place: Place) -> bool {
        let mut at = Some(self);
        while let Some(path) = at {
            if path.place == place {
                return true;
            }
            at = path.up;
        }
        false
    }
}

/// Where one thing in a keeper's list is to be looked for.
enum Look {
    /// It has moved or ended, for good.
    Gone,
    /// It does not count now.
    Passed,
    /// It is what is asked for.
    Found,
    /// It has some inside, or had when it had been polled so often.
    Below(u32),
}

impl Pending {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            place: new_place(),
            state: Mutex::new(State {
                is: [false; 2],
                is_over: false,
                is_bare: true,
                level: Level::Own,
                loose: None,
                within: ELSEWHERE,
                last: GONE,
                before: GONE,
                asked: None,
                listed_in: GONE,
                listed: [false; 2],
                polls: 0,
                spared: 0,
                spared_at: 0,
                inside: <[List; 2]>::default(),
                waiting: Vec::new(),
            }),
        })
    }

    pub(crate) fn place(&self) -> Place {
        self.place
    }

    /// It was polled, or let go of, here and now: whoever is outside adopts it. The number says that it has not been polled since.
    pub(crate) fn polled(&self, level: Option<Level>) -> u32 {
        let mut state = lock(&self.state);
        if let Some(level) = level {
            state.level = level;
        }
        state.polls = state.polls.wrapping_add(1);
        if state.within > ELSEWHERE {
            state.last = state.within;
        }
        state.within = ELSEWHERE;
        state.loose = None;
        state.spared = 0;
        state.polls
    }

    /// Nobody outside has adopted it.
    pub(crate) fn nobodys(&self, polls: u32) {
        let mut news = self.emptied();
        let mut state = lock(&self.state);
        if state.polls == polls && state.within == ELSEWHERE {
            news.extend(state.moved());
        }
        drop(state);
        wake(news);
    }

    /// Those who wait for it, if it is no hold and has none inside any more: it may have moved before, so they are not told of that,
    /// and the last one may have ended while somebody else polled it.
    fn emptied(&self) -> Vec<Arc<Waker>> {
        {
            let state = lock(&self.state);
            if state.waiting.is_empty() || state.is[Kind::Hold as usize] {
                return Vec::new();
            }
        }
        if self.has_inside(Question::any(Kind::Hold)) {
            return Vec::new();
        }
        let waiting = std::mem::take(&mut lock(&self.state).waiting);
        waiting.into_iter().map(|waiting| waiting.waker).collect()
    }

    /// `child` was polled inside this one, and not since.
    pub(crate) fn adopt(&self, child: &Arc<Self>, polls: u32, loose: Option<Level>) {
        let here = self.place();
        if child.place() == here {
            return;
        }
        let mut new = [false; 2];
        let mut news = child.emptied();
        {
            let mut child = lock(&child.state);
            if child.polls != polls {
                drop(child);
                return wake(news);
            }
            let has_moved = child.last != here;
            if has_moved {
                child.before = child.last;
            }
            child.within = here;
            child.loose = loose;
            if child.listed_in != here {
                child.listed_in = here;
                child.listed = [false; 2];
            }
            for kind in Kind::BOTH {
                new[kind as usize] = child.has(kind) && !child.listed[kind as usize];
                child.listed[kind as usize] |= child.has(kind);
            }
            if child.before != here {
                news.extend(child.moved());
            }
        }
        if new != [false; 2] {
            for kind in Kind::BOTH {
                if new[kind as usize] {
                    let long = lock(&self.state).inside[kind as usize].push(Arc::clone(child));
                    if let Some(long) = long {
                        self.prune(kind, long);
                    }
                }
            }
        }
        wake(news);
    }

    /// Goes through a copy of the list, for another thread may ask meanwhile.
    #[cold]
    fn prune(&self, kind: Kind, things: Vec<Arc<Self>>) {
        let gone = things.iter().filter(|child| !child.is_still_in(self.place, kind));
        let gone = gone.map(|child| child.place).collect();
        let taken = lock(&self.state).inside[kind as usize].take(&gone);
        drop(taken);
    }

    /// May it count for this keeper, now or later? If not, it is no longer in its list.
    fn is_still_in(&self, keeper: Place, kind: Kind) -> bool {
        let mut state = lock(&self.state);
        let may_count = state.is_valid_in(keeper) || state.may_return_to(keeper, kind);
        if may_count && state.is_over && state.has(kind) {
            // What it has kept may have gone elsewhere.
            let things = state.inside[kind as usize].things.clone();
            drop(state);
            self.prune(kind, things);
            state = lock(&self.state);
        }
        if may_count && state.has(kind) {
            return true;
        }
        if state.listed_in == keeper {
            state.listed[kind as usize] = false;
        }
        false
    }

    /// Has it nothing inside, of what has been there?
    pub(crate) fn is_empty(&self) -> bool {
        let state = lock(&self.state);
        state.inside.iter().all(|list| list.things.is_empty())
    }

    /// Has it been polled just so often, and is there still a reason to know of it?
    pub(crate) fn is_current(&self, polls: u32) -> bool {
        let state = lock(&self.state);
        state.polls == polls && Kind::BOTH.into_iter().any(|kind| state.has(kind))
    }

    /// How it was last polled.
    pub(crate) fn level(&self) -> Level {
        lock(&self.state).level
    }

    /// It is of this kind from now on, or no longer.
    pub(crate) fn set(&self, kind: Kind, is: bool, is_in_place: impl FnOnce(Place) -> bool) {
        let mut state = lock(&self.state);
        if std::mem::replace(&mut state.is[kind as usize], is) && !is {
            Self::let_go(state, is_in_place);
        }
    }

    /// Its future is done, or gone.
    pub(crate) fn end(&self, is_in_place: impl FnOnce(Place) -> bool) {
        let mut state = lock(&self.state);
        state.is = [false; 2];
        state.is_over = true;
        Self::let_go(state, is_in_place);
    }

    /// Wakes who waits for it, unless all of them are being polled: then they look again anyway.
    fn let_go(mut state: MutexGuard<'_, State>, is_in_place: impl FnOnce(Place) -> bool) {
        let waiting = std::mem::take(&mut state.waiting);
        let within = state.within;
        drop(state);
        if !waiting.is_empty() && !is_in_place(within) {
            wake(waiting.into_iter().map(|waiting| waiting.waker).collect());
        }
    }

    /// It is an await that is a check point, and so not left behind unnoticed.
    pub(crate) fn set_guarded(&self) {
        lock(&self.state).is_bare = false;
    }

    /// Is there something of this kind inside?
    ///
    /// What has ended or moved is taken out of the list on the way, so that who asks often does not go through it often.
    pub(crate) fn has_inside(&self, question: Question<'_>) -> bool {
        self.has_inside_below(question, None)
    }

    fn has_inside_below(&self, question: Question<'_>, up: Option<&Path<'_>>) -> bool {
        let here = Path {
            place: self.place(),
            up,
        };
        let list = question.kind as usize;
        let mut left = lock(&self.state).inside[list].things.len();
        while left > 0 {
            left -= 1;
            let Some(child) = lock(&self.state).inside[list].things.get(left).cloned() else {
                continue;
            };
            let found = match child.look(here.place, question) {
                Look::Found => true,
                Look::Below(_) if here.has(child.place()) => false,
                Look::Below(polls) => {
                    if child.has_inside_below(question.of(Of::All), Some(&here)) {
                        child.counts(question)
                    } else {
                        if child.unlist(here.place, question.kind, polls) {
                            self.remove(list, left, &child);
                        }
                        false
                    }
                }
                Look::Gone => {
                    self.remove(list, left, &child);
                    false
                }
                Look::Passed => false,
            };
            if found {
                child.wait(here.place, question);
                return true;
            }
        }
        false
    }

    /// The same, of what has been polled so often, and is no keeper's yet.
    pub(crate) fn is_or_has(&self, question: Question<'_>, polls: u32, loose: Option<Level>) -> bool {
        let state = lock(&self.state);
        if state.polls != polls || !question.is_about(&state, self.place(), loose) {
            return false;
        }
        let is = state.is[question.kind as usize];
        drop(state);
        (is || self.has_inside(question.of(Of::All))) && self.counts(question)
    }

    fn look(&self, keeper: Place, question: Question<'_>) -> Look {
        let mut state = lock(&self.state);
        let kind = question.kind as usize;
        if !state.is_valid_in(keeper) {
            // It may be back in a moment, from the poll that it is in; or, where it is now, be left by all.
            let is_away = state.within == ELSEWHERE && state.last == keeper;
            let may_return = is_away || (question.kind == Kind::Hold && state.before == keeper);
            return if may_return && state.has(question.kind) {
                Look::Passed
            } else {
                Look::Gone
            };
        }
        if !state.has(question.kind) {
            if state.listed_in == keeper {
                state.listed[kind] = false;
            }
            return Look::Gone;
        }
        if !question.is_about(&state, self.place(), state.loose) {
            return Look::Passed;
        }
        if !state.is[kind] {
            return Look::Below(state.polls);
        }
        drop(state);
        if self.counts(question) {
            Look::Found
        } else {
            Look::Passed
        }
    }

    /// Does it count for whoever asks?
    fn counts(&self, question: Question<'_>) -> bool {
        (!matches!(question.of, Of::Bare(_)) || self.is_left(question))
            && (question.waits || self.is_spared(question.kind))
    }

    /// Has it been left behind by an await that was no check point? Whoever asks first cannot know. If it is polled before the next
    /// one asks, it is in another branch, and goes on by itself.
    fn is_left(&self, question: Question<'_>) -> bool {
        let Some(waker) = question.waker else { return false };
        let mut state = lock(&self.state);
        let polls = state.polls;
        match state.asked {
            Some(asked) if asked == polls => true,
            Some(_) => {
                state.asked = None;
                false
            }
            None => {
                state.asked = Some(polls);
                drop(state);
                waker.wake_by_ref();
                true
            }
        }
    }

    /// Once more?
    fn is_spared(&self, kind: Kind) -> bool {
        let mut state = lock(&self.state);
        let most = match kind {
            Kind::Hold => SPARED_FOR_A_HOLD,
            Kind::Foreign => {
                if std::mem::replace(&mut state.spared_at, got_out()) != got_out() {
                    state.spared = 0;
                }
                SPARED_FOR_FOREIGN
            }
        };
        state.spared = state.spared.saturating_add(1);
        state.spared <= most
    }

    /// Nothing was found in it. Is it to be taken out of the keeper's list? If so it is put there again when there is reason to. What
    /// is over is not polled again, so it stays as long as what has moved may come back; what has been polled since may have some.
    fn unlist(&self, keeper: Place, kind: Kind, polls: u32) -> bool {
        let mut state = lock(&self.state);
        if state.polls != polls || (state.is_over && state.has(kind)) {
            return false;
        }
        if state.listed_in == keeper {
            state.listed[kind as usize] = false;
        }
        true
    }

    fn remove(&self, list: usize, at: usize, child: &Arc<Self>) {
        let mut state = lock(&self.state);
        let list = &mut state.inside[list].things;
        if list.get(at).is_some_and(|there| Arc::ptr_eq(there, child)) {
            let removed = list.swap_remove(at);
            drop(state);
            drop(removed);
        }
    }

    /// Has whoever asked woken when this has ended or moved.
    fn wait(&self, keeper: Place, question: Question<'_>) {
        let waker = question.waker.filter(|_| question.waits);
        let Some(waker) = waker.cloned().map(Arc::new) else {
            return;
        };
        let mut state = lock(&self.state);
        if !state.is_valid_in(keeper) || !state.has(question.kind) {
            // It has, a moment ago.
            drop(state);
            waker.wake_by_ref();
        } else if !state.waiting.iter().any(|other| other.waker.will_wake(&waker)) {
            state.waiting.push(Waiting { waker, knows: false });
        }
    }
}

/// What was inside is nobody's here any more.
impl Drop for Pending {
    fn drop(&mut self) {
        let here = self.place();
        let inside = std::mem::take(&mut lock(&self.state).inside);
        for child in inside.into_iter().flat_map(|list| list.things) {
            let waiting = {
                let mut state = lock(&child.state);
                if state.within != here {
                    continue;
                }
                state.within = GONE;
                state.moved()
            };
            wake(waiting);
        }
    }
}

fn wake(waiting: Vec<Arc<Waker>>) {
    if waiting.is_empty() {
        return;
    }
    let mut panics = FirstPanic::default();
    for waker in waiting {
        panics.run(|| waker.wake_by_ref());
    }
    panics.resume();
}

#[cfg(test)]
#[path = "pending/steps.rs"]
mod steps;

#[cfg(all(test, not(cancelable_loom)))]
mod tests;

#[cfg(all(test, cancelable_loom))]
#[path = "pending/loom.rs"]
pub(crate) mod loom;
