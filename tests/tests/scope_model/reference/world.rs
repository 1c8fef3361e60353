//! Tokens, frames, wakers, and the log.

use std::collections::{BTreeMap, BTreeSet};

use cancelable::ReasonKind;

use super::Task;
use super::places::{Level, Thing};
use super::values::Value;
use crate::program::{End, Event, GIVEN, Grace, Notice, What};

/// A token, whether anybody ever asked for it or not.
pub(super) struct Token {
    pub(super) parent: Option<usize>,
    pub(super) cause: Option<usize>,
}

pub(super) struct Cause {
    pub(super) origin: usize,
    kind: ReasonKind,
    message: Option<String>,
}

/// A stretch of running code.
#[derive(Clone)]
pub(super) struct Frame {
    pub(super) token: usize,
    /// The waker that a cancel of the token wakes anyway; `None` while a destructor runs.
    pub(super) waker: Option<usize>,
    pub(super) name: Option<String>,
    pub(super) grace: Grace,
    /// The token was given, and what is outside need not be the code round it.
    pub(super) is_given: bool,
    /// In a branch of a race awaits are counted; and so they are in what is entered there.
    pub(super) counts: bool,
}

/// A waker: an owner polls its future again only if it is woken.
#[derive(Default)]
pub(super) struct Waker {
    pub(super) woken: bool,
    pub(super) owner: Option<usize>,
    pub(super) is_of_a_task: bool,
}

/// Who is to be woken by a token's cancel.
struct Registration {
    point: usize,
    token: usize,
    waker: usize,
}

#[derive(Default)]
pub(crate) struct World {
    pub(super) tokens: Vec<Token>,
    pub(super) causes: Vec<Cause>,
    pub(super) known: Vec<usize>,
    pub(super) frames: Vec<Frame>,
    pub(super) wakers: Vec<Waker>,
    /// The wakers of executors, which wake nobody outside.
    executors: BTreeSet<usize>,
    registered: Vec<Registration>,
    asked: usize,
    pub(crate) log: Vec<Event>,
    pub(super) values: Vec<Value>,
    /// Tasks that nobody has polled yet.
    pub(super) spawned: Vec<Task>,
    points: usize,
    /// The awaits and regions that have begun and are not over.
    pub(super) live: BTreeSet<usize>,
    pub(super) things: BTreeMap<usize, Thing>,
    /// How many check points have got out of a cancelled scope that had waited there under wakers of their own.
    pub(super) got_out: usize,
    /// How often a check point has waited that was to fail.
    pub(super) waited: usize,
    /// How many awaits and regions have been polled in branches.
    pub(super) counted: usize,
    /// The tokens of branches that lose a race in this poll, and that the library has not made.
    pub(super) tokenless_losers: Vec<usize>,
    /// In how many polls in a row a check point has let others go first.
    polite: BTreeMap<usize, usize>,
    /// What is being polled, outermost first.
    pub(super) levels: Vec<Level>,
    /// A check point has come to a decision that the laws leave to the library, when there were so many events.
    pub(crate) open: Option<usize>,
    /// A check point had to reckon with something that was not in the future that it awaited.
    pub(crate) outlived: bool,
    /// What has happened in this run.
    pub(crate) happened: BTreeSet<Happening>,
    /// The task that is being polled.
    pub(crate) task: usize,
}

/// In how many polls in a row a check point lets others go first.
const LET_GO_FIRST: usize = 32;

/// Ways in which futures outlive an await, or are polled by others than their scope: what the programs are there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Happening {
    /// A pending future was polled by a second await, by reference.
    ByReference,
    /// The same as a clone of a shared one.
    Shared,
    /// A crowd had pending members in a later iteration.
    CrowdInALoop,
    /// A future ended in another scope than the one it was begun in.
    EndedInAnotherScope,
    EndedInAnotherTask,
    ExecutorInAScope,
    /// A coroutine was suspended and resumed.
    Coroutine,
    CoroutineInAScope,
    /// Decided, and cancelled from outside, in one poll.
    LoserMayNameEither,
}

impl World {
    pub(crate) fn new() -> Self {
        let parents: [Option<usize>; GIVEN] = [None, Some(0), None];
        Self {
            tokens: parents.map(|parent| Token { parent, cause: None }).into(),
            known: (0..GIVEN).collect(),
            ..Self::default()
        }
    }

    pub(super) fn is_cancelled(&self, token: usize) -> bool {
        self.tokens[token].cause.is_some()
    }

    pub(super) fn enter(&mut self, frame: Frame) {
        let in_branch = self.is_in_branch();
        self.count();
        self.frames.push(Frame {
            counts: frame.counts || in_branch,
            ..frame
        });
    }

    pub(super) fn leave(&mut self) {
        self.frames.pop();
    }

    /// An await is polled. Returns what is [silent](Self::is_silent) as long as nothing is awaited inside.
    pub(super) fn count(&mut self) -> usize {
        self.counted += usize::from(self.is_in_branch());
        self.counted
    }

    pub(super) fn is_in_branch(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.counts)
    }

    /// Has nothing been awaited since, in code of which that is known, because it is in a branch?
    pub(super) fn is_silent(&self, since: usize) -> bool {
        self.counted == since && self.is_in_branch()
    }

    /// Is it cancelled because its branch has lost?
    pub(super) fn has_lost(&self, token: usize) -> bool {
        let cause = self.tokens[token].cause;
        cause.is_some_and(|cause| self.causes[cause].kind == ReasonKind::Superseded)
    }

    /// L9: a token made below a cancelled one is cancelled.
    pub(super) fn child(&mut self, parent: Option<usize>) -> usize {
        let cause = parent.and_then(|parent| self.tokens[parent].cause);
        self.tokens.push(Token { parent, cause });
        self.tokens.len() - 1
    }

    /// L1: the first cancel stands. L2: it goes down, and stops where another came first. L3: all read as cancelled before
    /// anyone is woken. L11: and then all are.
    pub(super) fn cancel(&mut self, origin: usize, kind: ReasonKind, message: Option<String>) -> bool {
        if self.is_cancelled(origin) {
            return false;
        }
        let is_round = |&token: &usize| token != origin && self.is_below(token, origin);
        if self.tokenless_losers.iter().any(is_round) {
            // One that loses, and has what is round it cancelled in the same poll, may name either.
            self.happened.insert(Happening::LoserMayNameEither);
            self.open.get_or_insert(self.log.len());
        }
        let cause = self.causes.len();
        self.causes.push(Cause { origin, kind, message });
        for token in 0..self.tokens.len() {
            if self.is_below(token, origin) {
                self.tokens[token].cause.get_or_insert(cause);
            }
        }
        let (tell, wait) = std::mem::take(&mut self.registered)
            .into_iter()
            .partition(|registration| self.is_cancelled(registration.token));
        self.registered = wait;
        for registration in tell {
            self.wake(registration.waker);
        }
        true
    }

    /// Is it `above`, or below that?
    pub(super) fn is_below(&self, token: usize, above: usize) -> bool {
        std::iter::successors(Some(token), |&at| self.tokens[at].parent).any(|at| at == above)
    }

    /// Somebody cancels a token that they know.
    pub(crate) fn ask(&mut self, known: usize) -> (usize, bool) {
        let known = known % self.known.len();
        self.asked += 1;
        let message = self.asked.to_string();
        (known, self.cancel(self.known[known], ReasonKind::Manual, Some(message)))
    }

    pub(super) fn wake(&mut self, waker: usize) {
        let mut next = Some(waker);
        while let Some(waker) = next {
            self.wakers[waker].woken = true;
            next = self.wakers[waker].owner;
            self.wake_users(waker);
        }
    }

    /// Does this check point let others go first, once more?
    pub(super) fn let_go_first(&mut self, point: usize, does: bool) {
        if !does {
            self.polite.remove(&point);
            return;
        }
        let polls = self.polite.entry(point).or_insert(0);
        *polls += 1;
        if *polls > LET_GO_FIRST {
            // One inside waits for what is none of the business of the one outside, which does not wait for ever.
            self.open.get_or_insert(self.log.len());
        }
    }

    pub(super) fn new_waker(&mut self) -> usize {
        self.wakers.push(Waker {
            woken: true,
            ..Waker::default()
        });
        self.wakers.len() - 1
    }

    pub(crate) fn new_task(&mut self) -> usize {
        let waker = self.new_waker();
        self.wakers[waker].is_of_a_task = true;
        waker
    }

    pub(super) fn new_executor(&mut self) -> usize {
        let waker = self.new_waker();
        self.executors.insert(waker);
        waker
    }

    pub(super) fn end_executor(&mut self, waker: usize) {
        self.executors.remove(&waker);
    }

    /// Is there something to do that nobody outside knows of?
    pub(crate) fn is_executor_woken(&self) -> bool {
        self.executors.iter().any(|&waker| self.wakers[waker].woken)
    }

    pub(super) fn new_point(&mut self) -> usize {
        self.points += 1;
        self.live.insert(self.points);
        self.points
    }

    pub(super) fn register(&mut self, point: usize, token: usize, waker: usize) {
        self.unregister(point);
        self.registered.push(Registration { point, token, waker });
    }

    pub(super) fn unregister(&mut self, point: usize) {
        self.registered.retain(|registration| registration.point != point);
    }

    /// What an error of the innermost frame says: the shared cause (L2), whose it is (L15, by identity), where it was
    /// noticed.
    pub(super) fn notice(&self, noticed_by: &'static str) -> Option<Notice> {
        let cause = &self.causes[self.tokens[self.frames.last()?.token].cause?];
        Some(Notice {
            kind: cause.kind,
            message: cause.message.clone(),
            belongs_to: (0..self.known.len())
                .filter(|&at| self.known[at] == cause.origin)
                .collect(),
            noticed_by,
            scope_name: self.frames_round().find_map(|frame| frame.name.clone()),
            forced: false,
        })
    }

    /// The frames of the code that is running, innermost first.
    pub(super) fn frames_round(&self) -> impl Iterator<Item = &Frame> {
        let given = self.frames.iter().rposition(|frame| frame.is_given).unwrap_or(0);
        self.frames[given..].iter().rev()
    }

    pub(super) fn say(&mut self, node: usize, observed: bool, what: What) {
        // Whoever says something asks whether it is cancelled.
        self.count();
        // L18: without a scope, nothing is cancelled. L20: within, it is the scope's token that one sees.
        let token = self.frames.last().map(|frame| frame.token);
        self.log.push(Event {
            node,
            what,
            ambient: token
                .filter(|_| observed)
                .and_then(|token| self.known.iter().position(|&at| at == token)),
            cancelled: token.is_some_and(|token| self.is_cancelled(token)),
        });
    }

    pub(crate) fn take_spawned(&mut self) -> Vec<Task> {
        std::mem::take(&mut self.spawned)
    }

    pub(crate) fn ends(&self) -> Vec<Option<End>> {
        let end = |&token: &usize| {
            let cause = &self.causes[self.tokens[token].cause?];
            Some(End {
                kind: cause.kind,
                message: cause.message.clone(),
                inherited: cause.origin != token,
            })
        };
        self.known.iter().map(end).collect()
    }
}
