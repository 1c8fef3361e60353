//! What the laws say a program does, told as simply as possible: one thread, no wakers but numbers, no counters but walks
//! over what is still pending.
//!
//! A cancel is noticed by polling, so this polls too; the rules that decide anything cite their law.

mod check_point;
mod crowd;
mod places;
mod race;
mod stretch;
mod values;
mod world;

use crate::program::{Kind, Node, Notice, Region, What, plain};
use check_point::{Guard, check};
use crowd::{Members, Turns};
use places::Role;
use race::{Branch, race};
use stretch::Stretch;
use values::Using;
pub(crate) use world::{Happening, World};

type Output = Result<(), Notice>;

/// What can be awaited.
pub(crate) trait Awaited {
    type Item;

    fn poll(&mut self, world: &mut World, waker: usize) -> Option<Self::Item>;
    /// It is dropped where it stands. L12: from the inside out.
    fn abandon(&mut self, world: &mut World);
    /// Adds what is pending in here, and is dropped together with this, that check points have to reckon with.
    fn things(&self, world: &World, things: &mut Vec<usize>);
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
        guard: Guard,
        inner: Box<Task>,
    },
    Finish {
        inner: Box<Task>,
        point: Option<usize>,
    },
    Swallow(Box<Task>),
    In(Box<Stretch>),
    Join(Vec<(Task, Option<Output>)>),
    Select(Box<Task>, Box<Task>),
    Members(Members, Vec<Option<Output>>),
    Parked {
        parked: Box<Task>,
        then: Box<Task>,
        started: bool,
    },
    Race {
        branches: Vec<Branch>,
        winner: Option<usize>,
    },
    Own {
        value: usize,
        body: Box<Task>,
    },
    Use(Option<Using>),
    Crowd(Turns),
    Executor {
        inner: Box<Task>,
        waker: Option<usize>,
    },
    Coroutine {
        body: Box<Task>,
        inside: bool,
        waker: Option<usize>,
    },
    Spawn(Option<Box<Task>>),
}

/// From a program to tasks.
struct Build<'a> {
    world: &'a mut World,
    next_id: usize,
    /// What the bodies round the node own.
    values: Vec<usize>,
}

impl Build<'_> {
    fn next_id(&mut self) -> usize {
        self.next_id += 1;
        self.next_id - 1
    }

    fn boxed(&mut self, node: &Node, observed: bool) -> Box<Task> {
        Box::new(self.task(node, observed))
    }

    fn tasks(&mut self, nodes: &[Node], observed: bool) -> Vec<Task> {
        nodes.iter().map(|node| self.task(node, observed)).collect()
    }

    fn task(&mut self, node: &Node, observed: bool) -> Task {
        let id = self.next_id();
        let doing = match node {
            Node::Ready => Doing::Ready,
            Node::Yield(polls) => Doing::Yield(*polls),
            Node::Forever => Doing::Forever,
            Node::Check => Doing::Check,
            Node::Cancel(known) => Doing::Cancel(*known),
            Node::Seq(nodes) => Doing::Seq(self.tasks(nodes, observed)),
            Node::Guard(inner) => Doing::Guard {
                guard: Guard::default(),
                inner: self.boxed(inner, observed),
            },
            Node::Finish(inner) => Doing::Finish {
                inner: self.boxed(inner, observed),
                point: None,
            },
            Node::Swallow(inner) => Doing::Swallow(self.boxed(inner, observed)),
            Node::In(region, body) => {
                let body = self.boxed(body, region.observed);
                Doing::In(Box::new(Stretch::new(id, region.clone(), body)))
            }
            Node::Join(nodes) => {
                let tasks = self.tasks(nodes, observed);
                Doing::Join(tasks.into_iter().map(|task| (task, None)).collect())
            }
            Node::Select(a, b) => Doing::Select(self.boxed(a, observed), self.boxed(b, observed)),
            Node::Members { per_poll, members } => {
                let outputs = members.iter().map(|_| None).collect();
                Doing::Members(Members::new(*per_poll, self.tasks(members, observed)), outputs)
            }
            Node::Parked(parked, then) => Doing::Parked {
                parked: self.boxed(parked, observed),
                then: self.boxed(then, observed),
                started: false,
            },
            Node::Race { observed, branches } => Doing::Race {
                branches: branches.iter().map(|body| self.branch(body, *observed)).collect(),
                winner: None,
            },
            Node::Own { shared, value, body } => {
                let value = self.task(value, observed);
                let value = self.world.new_value(*shared, value);
                self.values.push(value);
                let body = self.boxed(body, observed);
                self.values.pop();
                Doing::Own { value, body }
            }
            Node::Use { which, take } => {
                let number = self.values.len().checked_sub(1 + which);
                Doing::Use(number.map(|number| Using::new(self.values[number], id, *take)))
            }
            Node::Crowd {
                per_poll,
                members,
                turn,
            } => Doing::Crowd(Turns::new(
                Members::new(*per_poll, self.tasks(members, observed)),
                *turn,
            )),
            Node::Executor(inner) => Doing::Executor {
                inner: self.boxed(inner, observed),
                waker: None,
            },
            Node::Coroutine { inside, body } => Doing::Coroutine {
                body: self.boxed(body, observed),
                inside: *inside,
                waker: None,
            },
            Node::Spawn(inner) => Doing::Spawn(Some(self.boxed(inner, observed))),
        };
        Task {
            id,
            observed,
            phase: Phase::Fresh,
            doing,
        }
    }

    fn branch(&mut self, body: &Node, observed: bool) -> Branch {
        let region = Region {
            observed,
            ..plain(Kind::Scope)
        };
        let id = self.next_id();
        Branch::new(Stretch::new(id, region, self.boxed(body, observed)))
    }
}

impl Task {
    pub(crate) fn new(node: &Node, world: &mut World) -> Self {
        let mut build = Build {
            world,
            next_id: 0,
            values: Vec::new(),
        };
        build.task(node, false)
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
            Doing::Check => Some(check(world, "check").map_or(Ok(()), Err)),
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
            Doing::Guard { guard, inner } => guard.poll(world, waker, &mut **inner).map(|item| item?),
            Doing::Finish { inner, point } => {
                if let Some(notice) = point.is_none().then(|| check(world, "finish")).flatten() {
                    return Some(Err(notice));
                }
                let point = *point.get_or_insert_with(|| world.new_point());
                world.touch(point);
                let output = world.within(Role::Finish(point), |world| inner.poll(world, waker));
                match output {
                    Some(_) => world.end_point(point),
                    None => world.set_thing(point, true, false, 0),
                }
                output
            }
            Doing::Swallow(inner) => {
                let output = world.within(Role::Catches, |world| inner.poll(world, waker));
                output.map(|_| Ok(()))
            }
            Doing::In(stretch) => {
                let output = stretch.poll(world, waker)?;
                Some(output.unwrap_or_else(Err))
            }
            Doing::Join(tasks) => world.within(Role::Catches, |world| {
                for (task, output) in tasks.iter_mut().filter(|(_, output)| output.is_none()) {
                    *output = task.poll(world, waker);
                }
                all(tasks.iter().map(|(_, output)| output))
            }),
            Doing::Select(a, b) => {
                if let Some(output) = a.poll(world, waker) {
                    b.abandon(world);
                    return Some(output);
                }
                let output = b.poll(world, waker)?;
                a.abandon(world);
                Some(output)
            }
            Doing::Members(members, outputs) => {
                members.poll(world, waker, |number, output| {
                    outputs[number] = Some(output);
                    false
                });
                all(outputs.iter())
            }
            Doing::Parked { parked, then, started } => {
                if !std::mem::replace(started, true) {
                    let own = world.new_waker();
                    world.wakers[own].owner = Some(waker);
                    world.within(Role::Catches, |world| parked.poll(world, own));
                }
                let output = then.poll(world, waker)?;
                parked.abandon(world);
                Some(output)
            }
            Doing::Race { branches, winner } => {
                world.within(Role::Catches, |world| race(branches, winner, world, waker))
            }
            Doing::Own { value, body } => {
                let value = *value;
                let output = world.within(Role::Owns(value), |world| body.poll(world, waker))?;
                world.end_owner(value);
                Some(output)
            }
            Doing::Use(None) => Some(Ok(())),
            Doing::Use(Some(using)) => using.poll(world, waker),
            Doing::Crowd(turns) => turns.poll(world, waker),
            Doing::Executor { inner, waker } => {
                if !world.frames.is_empty() {
                    world.happened.insert(Happening::ExecutorInAScope);
                }
                let own = *waker.get_or_insert_with(|| world.new_executor());
                while world.open.is_none() && std::mem::take(&mut world.wakers[own].woken) {
                    let output = inner.poll(world, own);
                    if output.is_some() {
                        world.end_executor(own);
                        return output;
                    }
                }
                None
            }
            Doing::Coroutine {
                body,
                inside,
                waker: own,
            } => {
                if *inside {
                    world.happened.insert(Happening::CoroutineInAScope);
                    // L26: the ambient token may be a wrong one, in there and outside; but it ends, and no pointer is a stray one.
                    world.open.get_or_insert(world.log.len());
                }
                if own.is_some() {
                    world.happened.insert(Happening::Coroutine);
                }
                let own = *own.get_or_insert_with(|| world.new_waker());
                world.wakers[own].owner = Some(waker);
                body.poll(world, own)
            }
            Doing::Spawn(task) => {
                world.spawned.extend(task.take().map(|task| *task));
                Some(Ok(()))
            }
        }
    }

    /// What has begun in here and is not over.
    fn children(&self) -> Vec<&Task> {
        match &self.doing {
            Doing::Ready
            | Doing::Yield(_)
            | Doing::Forever
            | Doing::Check
            | Doing::Cancel(_)
            | Doing::Use(_)
            | Doing::Spawn(_) => Vec::new(),
            Doing::Guard { inner, .. }
            | Doing::Finish { inner, .. }
            | Doing::Swallow(inner)
            | Doing::Own { body: inner, .. }
            | Doing::Executor { inner, .. }
            | Doing::Coroutine { body: inner, .. } => vec![inner],
            Doing::In(stretch) => vec![&stretch.body],
            Doing::Seq(tasks) => tasks.iter().collect(),
            Doing::Join(tasks) => tasks.iter().map(|(task, _)| task).collect(),
            Doing::Members(members, _) => members.tasks().collect(),
            Doing::Crowd(turns) => turns.members.tasks().collect(),
            Doing::Select(a, b) | Doing::Parked { parked: a, then: b, .. } => vec![a, b],
            Doing::Race { branches, .. } => branches.iter().map(|branch| &*branch.stretch.body).collect(),
        }
    }

    /// The check points and holds that this node itself is.
    fn points(&self) -> Vec<usize> {
        match &self.doing {
            Doing::Guard { guard, .. } => guard.point().into_iter().collect(),
            Doing::Crowd(turns) => turns.guard.point().into_iter().collect(),
            Doing::Finish { point, .. } => point.iter().copied().collect(),
            Doing::In(stretch) => stretch.point().into_iter().collect(),
            Doing::Race { branches, .. } => branches.iter().filter_map(|branch| branch.stretch.point()).collect(),
            _ => Vec::new(),
        }
    }
}

impl Awaited for Task {
    type Item = Output;

    fn poll(&mut self, world: &mut World, waker: usize) -> Option<Output> {
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

    fn abandon(&mut self, world: &mut World) {
        let phase = std::mem::replace(&mut self.phase, Phase::Over);
        if phase != Phase::Running {
            return;
        }
        match &mut self.doing {
            Doing::Ready
            | Doing::Yield(_)
            | Doing::Forever
            | Doing::Check
            | Doing::Cancel(_)
            | Doing::Use(None)
            | Doing::Spawn(_) => {}
            Doing::Guard { guard, inner } => {
                guard.abandon(world);
                inner.abandon(world);
            }
            Doing::Finish { inner, point } => {
                inner.abandon(world);
                point.iter().for_each(|&point| world.end_point(point));
            }
            Doing::Swallow(inner) | Doing::Coroutine { body: inner, .. } => inner.abandon(world),
            Doing::Executor { inner, waker } => {
                waker.iter().for_each(|&waker| world.end_executor(waker));
                inner.abandon(world);
            }
            Doing::In(stretch) => stretch.abandon(world),
            Doing::Seq(tasks) => tasks.iter_mut().for_each(|task| task.abandon(world)),
            Doing::Join(tasks) => tasks.iter_mut().for_each(|(task, _)| task.abandon(world)),
            Doing::Members(members, _) => members.abandon(world),
            Doing::Crowd(turns) => turns.abandon(world),
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
            Doing::Own { value, body } => {
                body.abandon(world);
                world.end_owner(*value);
            }
            Doing::Use(Some(using)) => using.abandon(world),
        }
        world.say(self.id, self.observed, What::Dropped);
    }

    fn things(&self, world: &World, things: &mut Vec<usize>) {
        if self.phase != Phase::Running {
            return;
        }
        things.extend(
            self.points()
                .into_iter()
                .filter(|point| world.things.contains_key(point)),
        );
        for child in self.children() {
            child.things(world, things);
        }
        match &self.doing {
            Doing::Own { value, .. } => world.values[*value].things(world, things),
            Doing::Use(Some(using)) => using.things(world, things),
            _ => {}
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
