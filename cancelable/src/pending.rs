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
use std::mem;
use std::ptr;
use std::sync::atomic::{self, AtomicU64};
use std::sync::{Arc as Shared, Weak};
use std::task::Waker;

use crate::primitive::{Arc, AtomicBool, Mutex, MutexGuard, Ordering, lock};
use crate::unwind::FirstPanic;

/// How often check points that do not wait are spared for a hold, until anything is polled again, the scope for one: a loop that
/// gives way to nothing has to end some time.
const SPARED_FOR_A_HOLD: u32 = 1000;
/// The same for foreign waiters, until one of them gets out.
const SPARED_FOR_FOREIGN: u32 = 32;

/// How often who waits is woken because a thing has moved: two who share it, and wait, would otherwise wake each other for ever.
const TOLD_OF_MOVES: u8 = if cfg!(cancelable_loom) { 1 } else { 4 };

thread_local! {
    static PROGRESS: Cell<Progress> = const { Cell::new(Progress { got_out: 0, waited: 0 }) };
    /// How often something has been polled on this thread that is pending in here.
    static POLLS: Cell<u32> = const { Cell::new(0) };
}

/// What has happened on this thread.
#[derive(Clone, Copy, Default)]
pub(crate) struct Progress {
    /// How many foreign waiters have got out of a cancelled scope.
    pub(crate) got_out: u32,
    /// How often a check point that was to fail has waited instead.
    pub(crate) waited: u32,
}

#[inline]
pub(crate) fn progress() -> Progress {
    PROGRESS.get()
}

/// A foreign waiter has got out of a cancelled scope.
pub(crate) fn note_got_out() {
    let so_far = progress();
    PROGRESS.set(Progress {
        got_out: so_far.got_out.wrapping_add(1),
        ..so_far
    });
}

/// A check point waits that was to fail.
pub(crate) fn note_waited() {
    let so_far = progress();
    PROGRESS.set(Progress {
        waited: so_far.waited.wrapping_add(1),
        ..so_far
    });
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
    /// It is being polled, and among the notes of the thread that does so: for that one alone, and in no model.
    is_announced: atomic::AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// What it is itself, by kind.
    is: [bool; 2],
    /// Its future is done; what is inside may live on, for it is somebody else's.
    is_over: bool,
    /// The await in which that was has ended.
    is_loose: bool,
    within: Place,
    /// Where it was last adopted, while it is being polled.
    last: Place,
    /// Where it was before that.
    before: Place,
    /// Which lists of which keeper it is in.
    listed_in: Place,
    listed: [bool; 2],
    /// How often it has been polled, as far as keepers are concerned.
    polls: u32,
    spared: u32,
    /// When it was last spared, by [`POLLS`] or [`progress`].
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
const ROOM: usize = if cfg!(cancelable_loom) { 8 } else { 32 };

impl List {
    /// Adds one; all of them are to be gone through if the list has become long.
    fn push(&mut self, thing: Arc<Pending>) -> Option<Vec<Arc<Pending>>> {
        self.things.push(thing);
        (self.things.len() > self.room.max(ROOM)).then(|| self.things.clone())
    }

    /// Takes out, to be dropped outside the lock, what has gone, and what is in it more than once, for it has been away.
    fn take(&mut self, gone: &[Place]) -> Vec<Arc<Pending>> {
        let mut things = mem::take(&mut self.things);
        things.sort_unstable_by_key(|thing| thing.place);
        let mut last = None;
        let is_left = |thing: &Arc<Pending>| {
            last.replace(thing.place) != Some(thing.place) && gone.binary_search(&thing.place).is_err()
        };
        let (left, taken) = things.into_iter().partition(is_left);
        self.things = left;
        self.room = 2 * self.things.len();
        taken
    }
}

/// A check point that waits for what must not be dropped: its waker, and whether it waits at this moment. While it is being polled it
/// does not, for it is going to ask anew.
pub(crate) struct Waiter {
    waker: Waker,
    waits: AtomicBool,
}

impl Waiter {
    pub(crate) fn new(waker: &Waker) -> Shared<Self> {
        Shared::new(Self {
            waker: waker.clone(),
            waits: AtomicBool::new(false),
        })
    }

    pub(crate) fn will_wake(&self, waker: &Waker) -> bool {
        self.waker.will_wake(waker)
    }

    /// Its check point is being polled.
    pub(crate) fn rest(&self) {
        self.waits.store(false, Ordering::Release);
    }
}

struct Waiting {
    /// Gone with its check point.
    waiter: Weak<Waiter>,
    /// It has been woken because the thing had moved, and has not asked since.
    knows: bool,
    /// How often it has been.
    told: u8,
    /// How often the thing had been polled when it was found last.
    found_at: u32,
}

impl State {
    /// Those to be woken because it has moved, each not [too often](TOLD_OF_MOVES). If it was adopted after so many polls, who has
    /// found it since the last of them has found it here.
    #[inline]
    fn moved(&mut self, adopted_at: Option<u32>) -> Vec<Shared<Waiter>> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        self.all_moved(adopted_at)
    }

    fn all_moved(&mut self, adopted_at: Option<u32>) -> Vec<Shared<Waiter>> {
        let news = self.waiting.iter_mut();
        let news = news.filter(|waiting| !waiting.knows && waiting.told < TOLD_OF_MOVES);
        let news = news.filter(|waiting| Some(waiting.found_at) != adopted_at);
        news.filter_map(|waiting| {
            let waiter = waiting.waiter.upgrade()?;
            waiting.knows = waiter.waits.load(Ordering::Acquire);
            waiting.told += u8::from(waiting.knows);
            waiting.knows.then_some(waiter)
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

    /// It is to be in the keeper's lists of all kinds of which it has some. In which is it not yet?
    fn list(&mut self, keeper: Place) -> [bool; 2] {
        if self.listed_in != keeper {
            self.listed_in = keeper;
            self.listed = [false; 2];
        }
        Kind::BOTH.map(|kind| self.has(kind) && !mem::replace(&mut self.listed[kind as usize], true))
    }

    /// It is no longer in this list of the keeper's.
    fn unlist(&mut self, keeper: Place, kind: Kind) {
        if self.listed_in == keeper {
            self.listed[kind as usize] = false;
        }
    }

    fn has(&self, kind: Kind) -> bool {
        self.is[kind as usize] || !self.inside[kind as usize].things.is_empty()
    }
}

/// What a keeper is asked.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) kind: Kind,
    /// Whoever asks waits, and is to be woken when what is found has ended or moved.
    pub(crate) waiter: Option<&'a Shared<Waiter>>,
    /// Whoever asks does not wait, and is spared only so often.
    pub(crate) is_spared: bool,
    /// All that is inside, or only what is loose.
    pub(crate) of: Of,
    /// None of these.
    pub(crate) except: &'a [Place],
}

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    All,
    /// What is loose.
    Loose,
}

impl<'a> Question<'a> {
    /// Is there anything of this kind inside?
    pub(crate) fn any(kind: Kind) -> Self {
        Self {
            kind,
            waiter: None,
            is_spared: false,
            of: Of::All,
            except: &[],
        }
    }

    /// The same for one who is to be woken when it has ended or moved.
    pub(crate) fn waiting(kind: Kind, waiter: &'a Shared<Waiter>) -> Self {
        Self {
            waiter: Some(waiter),
            ..Self::any(kind)
        }
    }

    /// The same for a check point that does not wait.
    pub(crate) fn spared(kind: Kind) -> Self {
        Self {
            is_spared: true,
            ..Self::any(kind)
        }
    }

    pub(crate) fn of(self, of: Of) -> Self {
        Self { of, ..self }
    }

    fn is_about(&self, state: &State, place: Place, is_loose: bool) -> bool {
        let is_asked_for = match self.of {
            Of::All => true,
            Of::Loose => state.within == GONE || is_loose,
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
            is_announced: atomic::AtomicBool::new(false),
            state: Mutex::new(State {
                is: [false; 2],
                is_over: false,
                is_loose: false,
                within: ELSEWHERE,
                last: GONE,
                before: GONE,
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

    /// Is it announced as the keeper of what is polled from now on? Returns whether it was.
    #[inline]
    pub(crate) fn set_announced(&self, is_announced: bool) -> bool {
        let was_announced = self.is_announced.load(Ordering::Relaxed);
        self.is_announced.store(is_announced, Ordering::Relaxed);
        was_announced
    }

    /// It was polled, or let go of, here and now: whoever is outside adopts it. The number says that it has not been polled since.
    pub(crate) fn polled(&self) -> u32 {
        POLLS.set(POLLS.get().wrapping_add(1));
        let mut state = lock(&self.state);
        state.polls = state.polls.wrapping_add(1);
        if state.within > ELSEWHERE {
            state.last = state.within;
        }
        state.within = ELSEWHERE;
        state.is_loose = false;
        state.spared = 0;
        state.polls
    }

    /// Nobody outside has adopted it.
    pub(crate) fn nobodys(&self, polls: u32) {
        let mut state = lock(&self.state);
        if state.polls == polls && state.within == ELSEWHERE {
            let moved = state.moved(None);
            drop(state);
            wake(moved);
        }
    }

    /// `child` was polled inside this one, and not since.
    pub(crate) fn adopt(&self, child: &Arc<Self>, polls: u32, is_loose: bool) {
        let here = self.place();
        if child.place() == here {
            return;
        }
        let mut news = Vec::new();
        let new = {
            let mut child = lock(&child.state);
            if child.polls != polls {
                return;
            }
            child.within = here;
            child.is_loose = is_loose;
            let new = child.list(here);
            if child.last != here {
                child.before = child.last;
                news = child.moved(Some(polls));
            } else if new == [false; 2] {
                // It has stayed where it was.
                return;
            }
            new
        };
        for kind in Kind::BOTH {
            if new[kind as usize] {
                let long = lock(&self.state).inside[kind as usize].push(Arc::clone(child));
                if let Some(long) = long {
                    self.prune(kind, long);
                }
            }
        }
        wake(news);
    }

    /// Goes through a copy of the list, for another thread may ask meanwhile.
    #[cold]
    fn prune(&self, kind: Kind, things: Vec<Arc<Self>>) {
        let gone = things.iter().filter(|child| !child.is_still_in(self.place, kind));
        let mut gone: Vec<Place> = gone.map(|child| child.place).collect();
        gone.sort_unstable();
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
        state.unlist(keeper, kind);
        false
    }

    /// Has it been polled just so often, and is there still a reason to know of it?
    pub(crate) fn is_current(&self, polls: u32) -> bool {
        let state = lock(&self.state);
        state.polls == polls && Kind::BOTH.into_iter().any(|kind| state.has(kind))
    }

    /// It is of this kind from now on, or no longer. Who waits, waits for a hold.
    pub(crate) fn set(&self, kind: Kind, is: bool) {
        let mut state = lock(&self.state);
        let was = mem::replace(&mut state.is[kind as usize], is);
        if kind == Kind::Hold && was && !is {
            Self::let_go(state);
        }
    }

    /// Its future is done, or gone. Is anything in here of what has been inside?
    pub(crate) fn end(&self) -> bool {
        let mut state = lock(&self.state);
        state.is = [false; 2];
        state.is_over = true;
        let has_some = state.inside.iter().any(|list| !list.things.is_empty());
        Self::let_go(state);
        has_some
    }

    /// Wakes who waits for it.
    #[inline]
    fn let_go(state: MutexGuard<'_, State>) {
        if !state.waiting.is_empty() {
            Self::let_all_go(state);
        }
    }

    fn let_all_go(mut state: MutexGuard<'_, State>) {
        let waiting = mem::take(&mut state.waiting);
        drop(state);
        wake(waiting.iter().filter_map(|waiting| waiting.waiter.upgrade()).collect());
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
                child.wait(question, |state| state.is_valid_in(here.place));
                return true;
            }
        }
        false
    }

    /// The same, of what has been polled so often, and is no keeper's yet.
    pub(crate) fn is_or_has(&self, question: Question<'_>, polls: u32, is_loose: bool) -> bool {
        let state = lock(&self.state);
        if state.polls != polls || !question.is_about(&state, self.place(), is_loose) {
            return false;
        }
        let is = state.is[question.kind as usize];
        drop(state);
        let found = (is || self.has_inside(question.of(Of::All))) && self.counts(question);
        if found {
            self.wait(question, |state| state.polls == polls);
        }
        found
    }

    fn look(&self, keeper: Place, question: Question<'_>) -> Look {
        let mut state = lock(&self.state);
        let kind = question.kind as usize;
        if !state.is_valid_in(keeper) {
            return if state.may_return_to(keeper, question.kind) && state.has(question.kind) {
                Look::Passed
            } else {
                Look::Gone
            };
        }
        if !state.has(question.kind) {
            state.unlist(keeper, question.kind);
            return Look::Gone;
        }
        if !question.is_about(&state, self.place(), state.is_loose) {
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
        !question.is_spared || self.is_spared(question.kind)
    }

    /// Once more?
    fn is_spared(&self, kind: Kind) -> bool {
        let mut state = lock(&self.state);
        let (most, now) = match kind {
            Kind::Hold => (SPARED_FOR_A_HOLD, POLLS.get()),
            Kind::Foreign => (SPARED_FOR_FOREIGN, progress().got_out),
        };
        if mem::replace(&mut state.spared_at, now) != now {
            state.spared = 0;
        }
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
        state.unlist(keeper, kind);
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

    /// Has whoever asked woken when this has ended or moved from where it was found.
    fn wait(&self, question: Question<'_>, is_there: impl FnOnce(&State) -> bool) {
        let Some(waiter) = question.waiter else { return };
        waiter.waits.store(true, Ordering::Release);
        let mut state = lock(&self.state);
        if !is_there(&state) || !state.has(question.kind) {
            // It has, a moment ago.
            drop(state);
            return waiter.waker.wake_by_ref();
        }
        let found_at = state.polls;
        let is_same = |known: &&mut Waiting| ptr::eq(known.waiter.as_ptr(), Shared::as_ptr(waiter));
        if let Some(known) = state.waiting.iter_mut().find(is_same) {
            (known.found_at, known.knows) = (found_at, false);
        } else {
            state.waiting.retain(|known| known.waiter.strong_count() > 0);
            state.waiting.push(Waiting {
                waiter: Shared::downgrade(waiter),
                knows: false,
                told: 0,
                found_at,
            });
        }
    }
}

/// What was inside is nobody's here any more.
impl Drop for Pending {
    fn drop(&mut self) {
        let inside = mem::take(&mut lock(&self.state).inside);
        if inside.iter().all(|list| list.things.is_empty()) {
            return;
        }
        let here = self.place();
        for child in inside.into_iter().flat_map(|list| list.things) {
            let waiting = {
                let mut state = lock(&child.state);
                if state.within != here {
                    continue;
                }
                state.within = GONE;
                state.moved(None)
            };
            wake(waiting);
        }
    }
}

#[inline]
fn wake(waiting: Vec<Shared<Waiter>>) {
    if !waiting.is_empty() {
        wake_all(waiting);
    }
}

fn wake_all(waiting: Vec<Shared<Waiter>>) {
    let mut panics = FirstPanic::default();
    for waiter in waiting {
        if waiter.waits.load(Ordering::Acquire) {
            panics.run(|| waiter.waker.wake_by_ref());
        }
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
