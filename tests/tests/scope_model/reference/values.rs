//! Futures that are polled by reference.

use super::world::{Happening, World};
use super::{Awaited, Output, Task};

/// A future that a body owns. One await has it at a time, from its first poll to its end, and the others wait until it goes;
/// or, shared, all of them, who then poll it under a waker that wakes them all.
pub(super) struct Value {
    /// While it is pending and not being polled.
    task: Option<Task>,
    /// Of a shared one.
    output: Option<Output>,
    /// That of a shared one.
    waker: Option<usize>,
    /// Who polls it, of a shared one; with their wakers.
    users: Vec<(usize, usize)>,
    /// The await that has it.
    user: Option<usize>,
    /// That one, and those that wait for it, with their wakers.
    waiting: Vec<(usize, usize)>,
    is_shared: bool,
    /// Moved away from its owner.
    is_taken: bool,
    /// Where it was begun: by which await, in which task, under which token.
    begun: Option<(usize, usize, Option<usize>)>,
}

impl Value {
    /// Adds what is pending in it, as long as it is its owner's.
    pub(super) fn things(&self, world: &World, things: &mut Vec<usize>) {
        if !self.is_taken {
            self.all_things(world, things);
        }
    }

    fn all_things(&self, world: &World, things: &mut Vec<usize>) {
        if let Some(task) = &self.task {
            task.things(world, things);
        }
    }
}

impl World {
    pub(super) fn new_value(&mut self, is_shared: bool, task: Task) -> usize {
        self.values.push(Value {
            task: Some(task),
            output: None,
            waker: None,
            users: Vec::new(),
            user: None,
            waiting: Vec::new(),
            is_shared,
            is_taken: false,
            begun: None,
        });
        self.values.len() - 1
    }

    /// Its owner has ended, or is dropped.
    pub(super) fn end_owner(&mut self, value: usize) {
        if !self.values[value].is_taken {
            self.drop_value(value);
        }
    }

    fn drop_value(&mut self, value: usize) {
        if let Some(mut task) = self.values[value].task.take() {
            task.abandon(self);
        }
        self.wake_waiting(value);
        self.wake_users_of(value);
    }

    fn wake_waiting(&mut self, value: usize) {
        let waiting = std::mem::take(&mut self.values[value].waiting);
        waiting.into_iter().for_each(|(_, waker)| self.wake(waker));
    }

    fn wake_users_of(&mut self, value: usize) {
        let users = std::mem::take(&mut self.values[value].users);
        users.into_iter().for_each(|(_, waker)| self.wake(waker));
    }

    /// If that is the waker of a shared future.
    pub(super) fn wake_users(&mut self, waker: usize) {
        if let Some(value) = self.values.iter().position(|value| value.waker == Some(waker)) {
            self.wake_users_of(value);
        }
    }
}

/// An await by reference.
pub(super) struct Using {
    value: usize,
    id: usize,
    take: bool,
    /// It has moved the future in here.
    has_taken: bool,
}

impl Using {
    pub(super) fn new(value: usize, id: usize, take: bool) -> Self {
        Self {
            value,
            id,
            take,
            has_taken: false,
        }
    }

    pub(super) fn poll(&mut self, world: &mut World, waker: usize) -> Option<Output> {
        let output = self.try_poll(world, waker)?;
        self.leave(world);
        if self.has_taken {
            world.drop_value(self.value);
        }
        Some(output)
    }

    fn try_poll(&mut self, world: &mut World, waker: usize) -> Option<Output> {
        let value = &mut world.values[self.value];
        let is_free = value.task.is_some() && value.user.is_none() && !value.is_taken;
        if std::mem::take(&mut self.take) && !value.is_shared && is_free {
            (value.is_taken, self.has_taken) = (true, true);
        }
        if let Some(output) = &value.output {
            return Some(output.clone());
        }
        if value.task.is_none() {
            return Some(Ok(()));
        }
        if value.is_shared {
            value.users.retain(|&(user, _)| user != self.id);
            value.users.push((self.id, waker));
        } else {
            // Who has it, too: its owner may drop it.
            value.waiting.retain(|&(user, _)| user != self.id);
            value.waiting.push((self.id, waker));
            if value.user.is_some_and(|user| user != self.id) {
                return None;
            }
            value.user = Some(self.id);
        }
        let mut task = value.task.take().expect("looked at above");
        let waker = if value.is_shared {
            let own = value.waker.unwrap_or_else(|| world.new_waker());
            world.values[self.value].waker = Some(own);
            own
        } else {
            waker
        };
        self.note(world);
        let output = task.poll(world, waker);
        if output.is_some() {
            self.note_end(world);
        }
        let value = &mut world.values[self.value];
        match &output {
            None => value.task = Some(task),
            Some(output) if value.is_shared => value.output = Some(output.clone()),
            Some(_) => {}
        }
        if output.is_some() {
            self.leave(world);
            world.wake_users_of(self.value);
        }
        output
    }

    /// It is going to be polled here.
    fn note(&self, world: &mut World) {
        let here = (self.id, world.task, world.frames.last().map(|frame| frame.token));
        let value = &mut world.values[self.value];
        let is_shared = value.is_shared;
        if value.begun.get_or_insert(here).0 != self.id {
            world.happened.insert(if is_shared {
                Happening::Shared
            } else {
                Happening::ByReference
            });
        }
    }

    /// It has ended here.
    fn note_end(&self, world: &mut World) {
        let Some((_, task, token)) = world.values[self.value].begun else {
            return;
        };
        if task != world.task {
            world.happened.insert(Happening::EndedInAnotherTask);
        } else if token != world.frames.last().map(|frame| frame.token) {
            world.happened.insert(Happening::EndedInAnotherScope);
        }
    }

    /// This await is over.
    fn leave(&self, world: &mut World) {
        let value = &mut world.values[self.value];
        value.waiting.retain(|&(user, _)| user != self.id);
        value.users.retain(|&(user, _)| user != self.id);
        if value.user == Some(self.id) {
            value.user = None;
            world.wake_waiting(self.value);
        }
    }

    pub(super) fn abandon(&mut self, world: &mut World) {
        self.leave(world);
        if self.has_taken {
            world.drop_value(self.value);
        }
    }

    /// Adds what is pending in the future, if it is dropped with this await.
    pub(super) fn things(&self, world: &World, things: &mut Vec<usize>) {
        if self.has_taken {
            world.values[self.value].all_things(world, things);
        }
    }
}
