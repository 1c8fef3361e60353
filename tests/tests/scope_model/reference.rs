//! What the laws say a program does, told as simply as possible: one thread, no wakers but numbers, no counters but walks
//! over what is still pending.
//!
//! A cancel is noticed by polling, so this polls too; the rules that decide anything cite their law.

use cancelable::ReasonKind;

use super::program::{Deadline, End, Event, GIVEN, Grace, Kind, Node, Notice, Region, What, plain};

type Output = Result<(), Notice>;

/// A token, whether anybody ever asked for it or not.
struct Token {
    parent: Option<usize>,
    cause: Option<usize>,
}

struct Cause {
    origin: usize,
    kind: ReasonKind,
    message: Option<String>,
}

/// A stretch of running code.
struct Frame {
    token: usize,
    /// The waker that a cancel of the token wakes anyway; `None` while a destructor runs.
    waker: Option<usize>,
    name: Option<String>,
    grace: Grace,
}

struct Waker {
    /// A member's owner polls it again only if this is set.
    woken: bool,
    owner: Option<usize>,
}

/// Who is to be woken by a token's cancel.
struct Registration {
    node: usize,
    token: usize,
    waker: usize,
}

pub(crate) struct World {
    tokens: Vec<Token>,
    causes: Vec<Cause>,
    known: Vec<usize>,
    frames: Vec<Frame>,
    wakers: Vec<Waker>,
    registered: Vec<Registration>,
    asked: usize,
    pub(crate) log: Vec<Event>,
}

impl World {
    pub(crate) fn new() -> Self {
        let parents: [Option<usize>; GIVEN] = [None, Some(0), None];
        let tokens = parents.map(|parent| Token { parent, cause: None });
        Self {
            tokens: tokens.into(),
            causes: Vec::new(),
            known: (0..GIVEN).collect(),
            frames: Vec::new(),
            // The task's.
            wakers: vec![Waker {
                woken: false,
                owner: None,
            }],
            registered: Vec::new(),
            asked: 0,
            log: Vec::new(),
        }
    }

    fn is_cancelled(&self, token: usize) -> bool {
        self.tokens[token].cause.is_some()
    }

    /// L9: a token made below a cancelled one is cancelled.
    fn child(&mut self, parent: Option<usize>) -> usize {
        let cause = parent.and_then(|parent| self.tokens[parent].cause);
        self.tokens.push(Token { parent, cause });
        self.tokens.len() - 1
    }

    /// L1: the first cancel stands. L2: it goes down, and stops where another came first. L3: all read as cancelled before
    /// anyone is woken. L11: and then all are.
    fn cancel(&mut self, origin: usize, kind: ReasonKind, message: Option<String>) -> bool {
        if self.is_cancelled(origin) {
            return false;
        }
        let cause = self.causes.len();
        self.causes.push(Cause { origin, kind, message });
        for token in 0..self.tokens.len() {
            let is_below = std::iter::successors(Some(token), |&at| self.tokens[at].parent).any(|at| at == origin);
            if is_below {
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

    /// Somebody cancels a token that they know.
    pub(crate) fn ask(&mut self, known: usize) -> (usize, bool) {
        let known = known % self.known.len();
        self.asked += 1;
        let message = self.asked.to_string();
        (known, self.cancel(self.known[known], ReasonKind::Manual, Some(message)))
    }

    fn wake(&mut self, waker: usize) {
        let chain: Vec<_> = std::iter::successors(Some(waker), |&at| self.wakers[at].owner).collect();
        for waker in chain {
            self.wakers[waker].woken = true;
        }
    }

    fn new_waker(&mut self) -> usize {
        self.wakers.push(Waker {
            woken: true,
            owner: None,
        });
        self.wakers.len() - 1
    }

    fn register(&mut self, node: usize, token: usize, waker: usize) {
        self.unregister(node);
        self.registered.push(Registration { node, token, waker });
    }

    fn unregister(&mut self, node: usize) {
        self.registered.retain(|registration| registration.node != node);
    }

    /// What an error of the innermost frame says: the shared cause (L2), whose it is (L15, by identity), where it was
    /// noticed.
    fn notice(&self, noticed_by: &'static str) -> Option<Notice> {
        let cause = &self.causes[self.tokens[self.frames.last()?.token].cause?];
        Some(Notice {
            kind: cause.kind,
            message: cause.message.clone(),
            belongs_to: (0..self.known.len())
                .filter(|&at| self.known[at] == cause.origin)
                .collect(),
            noticed_by,
            scope_name: self.frames.iter().rev().find_map(|frame| frame.name.clone()),
            forced: false,
        })
    }

    fn say(&mut self, node: usize, observed: bool, what: What) {
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Fresh,
    Running,
    Over,
}

/// A node on its way, round which unannotated code awaits it.
pub(crate) struct Task {
    id: usize,
    observed: bool,
    phase: Phase,
    doing: Doing,
}

enum Doing {
    Ready,
    Yield(usize),
    Forever,
    Check,
    Cancel(usize),
    Seq(Vec<Task>),
    Guard {
        inner: Box<Task>,
        started: bool,
        foreign: bool,
    },
    Finish {
        inner: Box<Task>,
        started: bool,
        holds: bool,
    },
    Swallow(Box<Task>),
    In(Box<Stretch>),
    Join(Vec<(Task, Option<Output>)>),
    Select(Box<Task>, Box<Task>),
    Members {
        per_poll: usize,
        at: usize,
        members: Vec<Member>,
    },
    Parked {
        parked: Box<Task>,
        then: Box<Task>,
        started: bool,
    },
    Race {
        branches: Vec<Branch>,
        winner: Option<usize>,
    },
}

struct Member {
    task: Task,
    waker: Option<usize>,
    output: Option<Output>,
}

struct Branch {
    stretch: Stretch,
    /// Ended, with an output or, where nothing but the branch's own check point noticed, without.
    ended: Option<Option<Output>>,
}

/// A region on its way.
struct Stretch {
    id: usize,
    region: Region,
    noticed_by: &'static str,
    is_check_point: bool,
    token: Option<usize>,
    foreign: bool,
    holds: bool,
    body: Box<Task>,
}

impl Task {
    pub(crate) fn new(node: &Node, next_id: &mut usize, observed: bool) -> Self {
        let id = *next_id;
        *next_id += 1;
        let mut task = |node: &Node| Self::new(node, next_id, observed);
        let doing = match node {
            Node::Ready => Doing::Ready,
            Node::Yield(polls) => Doing::Yield(*polls),
            Node::Forever => Doing::Forever,
            Node::Check => Doing::Check,
            Node::Cancel(known) => Doing::Cancel(*known),
            Node::Seq(nodes) => Doing::Seq(nodes.iter().map(task).collect()),
            Node::Guard(inner) => Doing::Guard {
                inner: Box::new(task(inner)),
                started: false,
                foreign: false,
            },
            Node::Finish(inner) => Doing::Finish {
                inner: Box::new(task(inner)),
                started: false,
                holds: false,
            },
            Node::Swallow(inner) => Doing::Swallow(Box::new(task(inner))),
            Node::In(region, body) => Doing::In(Box::new(Stretch::new(id, region.clone(), body, next_id))),
            Node::Join(nodes) => Doing::Join(nodes.iter().map(|node| (task(node), None)).collect()),
            Node::Select(a, b) => Doing::Select(Box::new(task(a)), Box::new(task(b))),
            Node::Members { per_poll, members } => Doing::Members {
                per_poll: *per_poll,
                at: 0,
                members: members
                    .iter()
                    .map(|node| Member {
                        task: task(node),
                        waker: None,
                        output: None,
                    })
                    .collect(),
            },
            Node::Parked(parked, then) => Doing::Parked {
                parked: Box::new(task(parked)),
                then: Box::new(task(then)),
                started: false,
            },
            Node::Race { observed, branches } => Doing::Race {
                branches: branches
                    .iter()
                    .map(|body| {
                        let region = Region {
                            observed: *observed,
                            ..plain(Kind::Scope)
                        };
                        let id = *next_id;
                        *next_id += 1;
                        let mut stretch = Stretch::new(id, region, body, next_id);
                        // A cancel from outside is for the check point outside: it is the race that is awaited.
                        stretch.is_check_point = false;
                        stretch.noticed_by = "race";
                        Branch { stretch, ended: None }
                    })
                    .collect(),
                winner: None,
            },
        };
        Self {
            id,
            observed,
            phase: Phase::Fresh,
            doing,
        }
    }

    pub(crate) fn poll(&mut self, world: &mut World, waker: usize) -> Option<Output> {
        if self.phase == Phase::Fresh {
            self.phase = Phase::Running;
            world.say(self.id, self.observed, What::Started);
        }
        let output = self.step(world, waker)?;
        self.phase = Phase::Over;
        let what = match &output {
            Ok(()) => What::Value,
            Err(notice) => What::Error(notice.clone()),
        };
        world.say(self.id, self.observed, what);
        Some(output)
    }

    fn step(&mut self, world: &mut World, waker: usize) -> Option<Output> {
        match &mut self.doing {
            Doing::Ready => Some(Ok(())),
            Doing::Yield(0) => Some(Ok(())),
            Doing::Yield(left) => {
                *left -= 1;
                world.wake(waker);
                None
            }
            Doing::Forever => None,
            Doing::Check => Some(world.notice("check").map_or(Ok(()), Err)),
            Doing::Cancel(known) => {
                let (known, by_this_call) = world.ask(*known);
                world.say(self.id, self.observed, What::Cancelled { known, by_this_call });
                Some(Ok(()))
            }
            Doing::Seq(tasks) => {
                for task in tasks.iter_mut().filter(|task| task.phase != Phase::Over) {
                    match task.poll(world, waker)? {
                        Ok(()) => {}
                        Err(notice) => return Some(Err(notice)),
                    }
                }
                Some(Ok(()))
            }
            Doing::Guard {
                inner,
                started,
                foreign,
            } => {
                let Some(frame) = world.frames.last() else {
                    // L18.
                    return inner.poll(world, waker);
                };
                let (token, own) = (frame.token, frame.waker);
                // L10: a check before the first poll, and none before a later one.
                if !std::mem::replace(started, true) && world.is_cancelled(token) {
                    return world.notice("guard").map(Err);
                }
                let before = Before::new(world, token, inner);
                // L10: what is ready is not thrown away.
                let output = before.poll(world, inner, waker).or_else(|| {
                    if world.is_cancelled(token) {
                        if !before.may_fail(world, inner, waker) {
                            *foreign |= !before.cancelled && own != Some(waker);
                            return None;
                        }
                        inner.abandon(world);
                        return world.notice("guard").map(Err);
                    }
                    // L11: the frame's own waker is woken by the frame's scope; another has to be registered.
                    *foreign = own != Some(waker);
                    if *foreign {
                        world.register(self.id, token, waker);
                    } else {
                        world.unregister(self.id);
                    }
                    None
                })?;
                *foreign = false;
                world.unregister(self.id);
                Some(output)
            }
            Doing::Finish { inner, started, holds } => {
                let was_started = std::mem::replace(started, true);
                if let Some(notice) = (!was_started).then(|| world.notice("finish")).flatten() {
                    return Some(Err(notice));
                }
                let output = inner.poll(world, waker);
                *holds = output.is_none();
                output
            }
            Doing::Swallow(inner) => inner.poll(world, waker).map(|_| Ok(())),
            Doing::In(stretch) => {
                let output = stretch.poll(world, waker)?;
                Some(output.unwrap_or_else(Err))
            }
            Doing::Join(tasks) => {
                for (task, output) in tasks.iter_mut().filter(|(_, output)| output.is_none()) {
                    *output = task.poll(world, waker);
                }
                all(tasks.iter().map(|(_, output)| output))
            }
            Doing::Select(a, b) => {
                if let Some(output) = a.poll(world, waker) {
                    b.abandon(world);
                    return Some(output);
                }
                let output = b.poll(world, waker)?;
                a.abandon(world);
                Some(output)
            }
            Doing::Members { per_poll, at, members } => {
                for member in &mut *members {
                    let own = *member.waker.get_or_insert_with(|| world.new_waker());
                    world.wakers[own].owner = Some(waker);
                }
                let mut polls = *per_poll;
                for number in (*at..members.len()).chain(0..*at) {
                    let Member { task, waker, output } = &mut members[number];
                    let own = waker.expect("set above");
                    if output.is_none() && polls > 0 && std::mem::take(&mut world.wakers[own].woken) {
                        *output = task.poll(world, own);
                        *at = number + 1;
                        polls -= 1;
                    }
                }
                let is_woken = |member: &Member| {
                    member.output.is_none() && member.waker.is_some_and(|waker| world.wakers[waker].woken)
                };
                if members.iter().any(is_woken) {
                    world.wake(waker);
                }
                all(members.iter().map(|member| &member.output))
            }
            Doing::Parked { parked, then, started } => {
                if !std::mem::replace(started, true) {
                    let own = world.new_waker();
                    world.wakers[own].owner = Some(waker);
                    parked.poll(world, own);
                }
                let output = then.poll(world, waker)?;
                parked.abandon(world);
                Some(output)
            }
            Doing::Race { branches, winner } => race(branches, winner, world, waker),
        }
    }

    /// It is dropped where it stands. L12: from the inside out.
    pub(crate) fn abandon(&mut self, world: &mut World) {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        if phase != Phase::Running {
            return;
        }
        match &mut self.doing {
            Doing::Ready | Doing::Yield(_) | Doing::Forever | Doing::Check | Doing::Cancel(_) => {}
            Doing::Guard { inner, foreign, .. } => {
                *foreign = false;
                world.unregister(self.id);
                inner.abandon(world);
            }
            Doing::Finish { inner, holds, .. } => {
                *holds = false;
                inner.abandon(world);
            }
            Doing::Swallow(inner) => inner.abandon(world),
            Doing::In(stretch) => stretch.abandon(world),
            Doing::Seq(tasks) => tasks.iter_mut().for_each(|task| task.abandon(world)),
            Doing::Join(tasks) => tasks.iter_mut().for_each(|(task, _)| task.abandon(world)),
            Doing::Members { members, .. } => members.iter_mut().for_each(|member| member.task.abandon(world)),
            Doing::Select(a, b) => {
                a.abandon(world);
                b.abandon(world);
            }
            Doing::Parked { parked, then, .. } => {
                then.abandon(world);
                parked.abandon(world);
            }
            Doing::Race { branches, .. } => {
                for branch in branches {
                    branch.stretch.abandon(world);
                }
            }
        }
        world.say(self.id, self.observed, What::Dropped);
    }

    /// What is pending in here that an outer check point has to reckon with: holds, and check points that wait under wakers
    /// of their own.
    fn pending(&self) -> (usize, usize) {
        if self.phase != Phase::Running {
            return (0, 0);
        }
        let sum = |tasks: &mut dyn Iterator<Item = &Task>| {
            tasks.map(Task::pending).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1))
        };
        match &self.doing {
            Doing::Ready | Doing::Yield(_) | Doing::Forever | Doing::Check | Doing::Cancel(_) => (0, 0),
            Doing::Seq(tasks) => sum(&mut tasks.iter()),
            Doing::Guard { inner, foreign, .. } => {
                let (holds, inside) = inner.pending();
                (holds, inside + usize::from(*foreign))
            }
            Doing::Finish { inner, holds, .. } => {
                let (inside, foreign) = inner.pending();
                (inside + usize::from(*holds), foreign)
            }
            Doing::Swallow(inner) => inner.pending(),
            Doing::In(stretch) => stretch.pending(),
            Doing::Join(tasks) => sum(&mut tasks.iter().map(|(task, _)| task)),
            Doing::Select(a, b) => sum(&mut [&**a, &**b].into_iter()),
            Doing::Members { members, .. } => sum(&mut members.iter().map(|member| &member.task)),
            Doing::Parked { parked, then, .. } => sum(&mut [&**parked, &**then].into_iter()),
            Doing::Race { branches, .. } => branches
                .iter()
                .map(|branch| branch.stretch.pending())
                .fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1)),
        }
    }
}

/// The outputs, once they are all there: the first error, or none.
fn all<'a>(outputs: impl Iterator<Item = &'a Option<Output>>) -> Option<Output> {
    outputs
        .cloned()
        .collect::<Option<Vec<_>>>()
        .map(|all| all.into_iter().collect())
}

/// How often a check point looks whether anything inside still moves.
const PATIENCE: usize = 32;

/// What a check point knew when its poll began.
struct Before {
    cancelled: bool,
    foreign: usize,
}

impl Before {
    fn new(world: &World, token: usize, inner: &Task) -> Self {
        Self {
            cancelled: world.is_cancelled(token),
            foreign: inner.pending().1,
        }
    }

    /// L12: members get their turn, also those that have to wait for it behind busy ones; but not for ever.
    fn poll(&self, world: &mut World, inner: &mut Task, waker: usize) -> Option<Output> {
        let mut output = inner.poll(world, waker);
        for _ in 0..PATIENCE {
            let (holds, foreign) = inner.pending();
            let is_stuck = self.cancelled && holds == 0 && foreign > 0 && foreign >= self.foreign;
            if output.is_some() || !is_stuck {
                break;
            }
            output = inner.poll(world, waker);
        }
        output
    }

    /// L12, for a check point whose token is cancelled and whose `inner` is pending: does it drop that and fail?
    fn may_fail(&self, world: &mut World, inner: &Task, waker: usize) -> bool {
        if !self.cancelled {
            // The cancel came in the middle of this poll, so something inside may not have seen it.
            world.wake(waker);
            return false;
        }
        let (holds, foreign) = inner.pending();
        if holds > 0 {
            // L13, and awaits that have to finish.
            return false;
        }
        if foreign < self.foreign && foreign > 0 {
            // Contract §5: those inside get out one by one, perhaps not all in one poll.
            world.wake(waker);
            return false;
        }
        // Nothing inside, or nothing that its owner polls any more.
        true
    }
}

impl Stretch {
    fn new(id: usize, region: Region, body: &Node, next_id: &mut usize) -> Self {
        let observed = region.observed;
        let noticed_by = match region.kind {
            Kind::Scope | Kind::Detached | Kind::Below(_) => "scope",
            Kind::Shield => "shield",
            Kind::Ambient(_) => "ambient",
            Kind::WithCancellation(_) => "with_cancellation",
        };
        Self {
            id,
            noticed_by,
            is_check_point: match region.kind {
                Kind::Ambient(_) => false,
                // L13: bounded or not, it does not see what is outside; bounded, it sees its own bound.
                Kind::Shield => region.deadline != Deadline::None,
                _ => true,
            },
            region,
            token: None,
            foreign: false,
            holds: false,
            body: Box::new(Task::new(body, next_id, observed)),
        }
    }

    fn owns_token(&self) -> bool {
        !matches!(self.region.kind, Kind::Ambient(_) | Kind::WithCancellation(_))
    }

    fn frame(&self, token: usize, waker: Option<usize>) -> Frame {
        Frame {
            token,
            waker,
            name: self.region.named.then(|| self.id.to_string()),
            grace: self.region.grace,
        }
    }

    /// L2, L13, L15: whose child the token is, and whether it is cancelled from the start.
    fn begin(&self, world: &mut World) -> usize {
        let parent = match self.region.kind {
            Kind::Ambient(token) | Kind::WithCancellation(token) => return token,
            Kind::Scope => world.frames.last().map(|frame| frame.token),
            Kind::Below(token) => Some(token),
            Kind::Detached | Kind::Shield => None,
        };
        let token = world.child(parent);
        if self.region.deadline == Deadline::Past {
            world.cancel(token, ReasonKind::Timeout, None);
        }
        token
    }

    /// `Ok`: what the body returned. `Err`: the region's own check point.
    fn poll(&mut self, world: &mut World, waker: usize) -> Option<Result<Output, Notice>> {
        let is_first_poll = self.token.is_none();
        let token = match self.token {
            Some(token) => token,
            None => {
                let token = self.begin(world);
                if self.is_check_point && world.is_cancelled(token) {
                    // L9: its body does not start.
                    self.body.phase = Phase::Over;
                    return self.notice(world, token).map(Err);
                }
                self.token = Some(token);
                if self.region.observed && !world.known.contains(&token) {
                    world.known.push(token);
                }
                token
            }
        };
        let before = Before::new(world, token, &self.body);
        let frame = self.frame(token, Some(waker));
        world.frames.push(frame);
        let output = if self.is_check_point {
            before.poll(world, &mut self.body, waker)
        } else {
            self.body.poll(world, waker)
        };
        world.frames.pop();
        if let Some(output) = output {
            // L9: it has returned that value. L17: and the scope is over.
            self.leave(world);
            if self.owns_token() {
                world.cancel(token, ReasonKind::ScopeEnded, None);
            }
            return Some(Ok(output));
        }
        self.holds = self.region.kind == Kind::Shield;
        let is_foreign = world.frames.last().is_some_and(|outer| outer.waker != Some(waker));
        if world.is_cancelled(token) {
            // L14: no longer than the grace, wherever the body is; but a cancel in the middle of this poll is for the next.
            let forced = before.cancelled && self.region.grace == Grace::Zero;
            if !self.is_check_point {
                // What is inside notices, or nothing does; in the next poll, if the cancel came in the middle of this one.
                // (In its first poll it does not ask what was before, and is polled once more.)
                if !before.cancelled || is_first_poll {
                    self.foreign = is_foreign;
                    world.wake(waker);
                }
                return None;
            }
            if !forced && !before.may_fail(world, &self.body, waker) {
                if !before.cancelled {
                    self.foreign = is_foreign;
                }
                return None;
            }
            let notice = self.notice(world, token);
            self.abandon(world);
            return notice.map(|notice| Err(Notice { forced, ..notice }));
        }
        self.foreign = is_foreign;
        world.register(self.id, token, waker);
        None
    }

    fn notice(&self, world: &mut World, token: usize) -> Option<Notice> {
        world.frames.push(self.frame(token, None));
        let notice = world.notice(self.noticed_by);
        world.frames.pop();
        notice
    }

    fn leave(&mut self, world: &mut World) {
        world.unregister(self.id);
        self.foreign = false;
        self.holds = false;
    }

    /// L16: a scope that is dropped cancels its token; L20: and its body's destructors see that.
    fn abandon(&mut self, world: &mut World) {
        let Some(token) = self.token else { return };
        if self.body.phase == Phase::Over {
            return;
        }
        self.leave(world);
        if self.owns_token() {
            world.cancel(token, ReasonKind::Dropped, None);
        }
        let frame = self.frame(token, None);
        world.frames.push(frame);
        self.body.abandon(world);
        world.frames.pop();
    }

    fn pending(&self) -> (usize, usize) {
        let (holds, foreign) = self.body.pending();
        (holds + usize::from(self.holds), foreign + usize::from(self.foreign))
    }
}

/// §4: the first output wins; the others are cancelled as superseded and driven to their end, unless they have not started.
fn race(branches: &mut [Branch], winner: &mut Option<usize>, world: &mut World, waker: usize) -> Option<Output> {
    loop {
        let was_won = winner.is_some();
        let grace = world
            .frames
            .iter()
            .rev()
            .map(|frame| frame.grace)
            .find(|&grace| grace != Grace::None);
        for (number, branch) in branches
            .iter_mut()
            .enumerate()
            .filter(|(_, branch)| branch.ended.is_none())
        {
            branch.stretch.region.grace = grace.unwrap_or(Grace::None);
            match branch.stretch.poll(world, waker) {
                None => {}
                Some(Err(_)) => branch.ended = Some(None),
                Some(Ok(output)) => {
                    branch.ended = Some(Some(output));
                    if winner.is_none() {
                        *winner = Some(number);
                        break;
                    }
                }
            }
        }
        if branches.iter().all(|branch| branch.ended.is_some()) {
            // Without a winner all branches were cancelled; whoever did it ends the race.
            return branches[(*winner)?].ended.take()?;
        }
        if was_won || winner.is_none() {
            return None;
        }
        for branch in branches.iter_mut().filter(|branch| branch.ended.is_none()) {
            branch.stretch.is_check_point = true;
            match branch.stretch.token {
                Some(token) => {
                    let message = "another branch of the race finished first";
                    world.cancel(token, ReasonKind::Superseded, Some(message.to_owned()));
                }
                None => branch.ended = Some(None),
            }
        }
    }
}
