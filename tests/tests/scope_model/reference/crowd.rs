//! Members that are polled under wakers of their own, and the loop over them.

use super::check_point::Guard;
use super::places::Role;
use super::world::{Happening, World};
use super::{Awaited, Output, Task};
use crate::program::Turn;

pub(super) struct Members {
    members: Vec<Member>,
    per_poll: usize,
    at: usize,
}

struct Member {
    task: Task,
    waker: Option<usize>,
    is_over: bool,
}

impl Members {
    pub(super) fn new(per_poll: usize, tasks: Vec<Task>) -> Self {
        let member = |task| Member {
            task,
            waker: None,
            is_over: false,
        };
        Self {
            members: tasks.into_iter().map(member).collect(),
            per_poll,
            at: 0,
        }
    }

    /// One poll, in which what is ready goes to `ready` with its number; until that says that it has enough.
    pub(super) fn poll(&mut self, world: &mut World, waker: usize, mut ready: impl FnMut(usize, Output) -> bool) {
        for member in &mut self.members {
            let own = *member.waker.get_or_insert_with(|| world.new_waker());
            world.wakers[own].owner = Some(waker);
        }
        let mut polls = self.per_poll;
        for number in (self.at..self.members.len()).chain(0..self.at) {
            let Member { task, waker, is_over } = &mut self.members[number];
            let own = waker.expect("set above");
            if !*is_over && polls > 0 && std::mem::take(&mut world.wakers[own].woken) {
                let output = world.within(Role::Catches, |world| task.poll(world, own));
                self.at = number + 1;
                polls -= 1;
                if let Some(output) = output {
                    *is_over = true;
                    if ready(number, output) {
                        return;
                    }
                }
            }
        }
        let is_woken = |member: &Member| !member.is_over && member.waker.is_some_and(|waker| world.wakers[waker].woken);
        if self.members.iter().any(is_woken) {
            world.wake(waker);
        }
    }

    pub(super) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.members.iter().map(|member| &member.task)
    }

    pub(super) fn abandon(&mut self, world: &mut World) {
        self.members.iter_mut().for_each(|member| member.task.abandon(world));
    }
}

/// The loop.
pub(super) struct Turns {
    pub(super) members: Members,
    turn: Turn,
    /// The await of this iteration.
    pub(super) guard: Guard,
    tick: Option<usize>,
    turns: usize,
}

/// The future that it awaits: of a result, unless the tick comes before.
struct Next<'a> {
    members: &'a mut Members,
    tick: &'a mut Option<usize>,
}

enum Item {
    Output(Output),
    Tick,
    Empty,
}

impl Awaited for Next<'_> {
    type Item = Item;

    fn poll(&mut self, world: &mut World, waker: usize) -> Option<Item> {
        let mut first = None;
        self.members.poll(world, waker, |_, output| {
            first = Some(output);
            true
        });
        if let Some(output) = first {
            return Some(Item::Output(output));
        }
        if self.members.members.iter().all(|member| member.is_over) {
            return Some(Item::Empty);
        }
        match self.tick {
            None => None,
            Some(0) => Some(Item::Tick),
            Some(left) => {
                *left -= 1;
                world.wake(waker);
                None
            }
        }
    }

    /// By reference: the members stay.
    fn abandon(&mut self, _: &mut World) {}

    /// But they are those of the loop, which an error of the await ends.
    fn things(&self, world: &World, things: &mut Vec<usize>) {
        self.members.tasks().for_each(|task| task.things(world, things));
    }
}

impl Turns {
    pub(super) fn new(members: Members, turn: Turn) -> Self {
        Self {
            members,
            tick: turn.tick,
            turn,
            guard: Guard::default(),
            turns: 0,
        }
    }

    pub(super) fn poll(&mut self, world: &mut World, waker: usize) -> Option<Output> {
        let output = loop {
            if self.turns == self.turn.turns {
                break Ok(());
            }
            let mut next = Next {
                members: &mut self.members,
                tick: &mut self.tick,
            };
            let item = if self.turn.guarded {
                self.guard.poll(world, waker, &mut next)?
            } else {
                Ok(next.poll(world, waker)?)
            };
            match item {
                Err(notice) => break Err(notice),
                Ok(Item::Empty) => break Ok(()),
                Ok(Item::Output(Err(notice))) if self.turn.leaves => break Err(notice),
                Ok(Item::Output(_) | Item::Tick) => {}
            }
            self.turns += 1;
            if self.members.members.iter().any(|member| !member.is_over) {
                world.happened.insert(Happening::CrowdInALoop);
            }
            self.tick = self.turn.tick;
            self.guard = Guard::default();
        };
        self.members.abandon(world);
        Some(output)
    }

    pub(super) fn abandon(&mut self, world: &mut World) {
        self.guard.abandon(world);
        self.members.abandon(world);
    }
}
