//! The library beside the reference, polled in step.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Waker;

use tests::{CountingWaker, poll_with};

use crate::program::{Action, Event, Node};
use crate::reference::{Awaited as _, Happening};
use crate::{real, reference};

/// More polls than any of these programs takes.
const MANY: usize = 500;

/// What a run was like, in which they did not differ.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// They could be compared only up to a decision that the laws leave to the library.
    pub(crate) is_open: bool,
    /// A check point had to reckon with something that was not in the future that it awaited.
    pub(crate) outlived: bool,
    pub(crate) happened: BTreeSet<Happening>,
}

/// Runs the program, and does each of these things after so many polls.
pub(crate) fn run(node: &Node, actions: &[(usize, Action)]) -> Outcome {
    let mut pair = Pair::new(node);
    for &(polls, action) in actions {
        pair.run(polls);
        pair.act(action);
    }
    pair.settle();
    pair.end()
}

struct Pair {
    real: Arc<real::World>,
    reference: reference::World,
    /// The first one is the program, the others it has spawned.
    tasks: Vec<Task>,
}

/// One task, twice.
struct Task {
    real: Option<real::Fut>,
    reference: reference::Task,
    /// Of the reference.
    number: usize,
    counter: Arc<CountingWaker>,
    waker: Waker,
    /// How often it had been woken when it was polled last; `None`: it is to be polled a first time.
    seen: Option<usize>,
}

impl Task {
    fn is_woken(&self) -> bool {
        self.real.is_some() && self.seen != Some(self.counter.count())
    }
}

impl Pair {
    fn new(node: &Node) -> Self {
        let mut this = Self {
            real: real::World::new(),
            reference: reference::World::new(),
            tasks: Vec::new(),
        };
        let real = real::build(node, &this.real);
        let reference = reference::Task::new(node, &mut this.reference);
        this.add(real, reference);
        this
    }

    fn add(&mut self, real: real::Fut, reference: reference::Task) {
        let (counter, waker) = CountingWaker::new();
        self.tasks.push(Task {
            real: Some(real),
            reference,
            number: self.reference.new_task(),
            counter,
            waker,
            seen: None,
        });
    }

    fn poll(&mut self, number: usize) {
        let is_open = self.is_open();
        let task = &mut self.tasks[number];
        task.seen = Some(task.counter.count());
        let Some(future) = &mut task.real else { return };
        let real = poll_with(future, &task.waker);
        if real.is_ready() {
            task.real = None;
        }
        if is_open {
            return self.spawn();
        }
        self.reference.task = task.number;
        let reference = task.reference.poll(&mut self.reference, task.number);
        self.compare();
        assert!(self.is_open() || real.is_ready() == reference.is_some());
        self.spawn();
    }

    fn spawn(&mut self) {
        let reference = self.reference.take_spawned();
        for (real, reference) in self.real.take_spawned().into_iter().zip(reference) {
            self.add(real, reference);
        }
    }

    fn is_open(&self) -> bool {
        self.reference.open.is_some()
    }

    fn compare(&self) {
        let (real, reference) = (self.real.log(), &self.reference.log);
        let compared = self.reference.open.unwrap_or(usize::MAX);
        let ends = (real.len().max(reference.len())).min(compared);
        let Some(first) = (0..ends).find(|&at| real.get(at) != reference.get(at)) else {
            return;
        };
        // Of an open decision, the library's side of the log may be shorter: what it does comes later.
        if self.is_open() && first == real.len() {
            return;
        }
        let all = |events: &[Event]| {
            events
                .iter()
                .map(|event| format!("\n    {event:?}"))
                .collect::<String>()
        };
        panic!(
            "after:{}\nthe library:{}\nthe reference:{}",
            all(&reference[..first]),
            all(&real[first..]),
            all(&reference[first..])
        );
    }

    fn woken(&self) -> Option<usize> {
        self.tasks.iter().position(Task::is_woken)
    }

    /// Polls whoever is woken, but at most `polls` times.
    fn run(&mut self, polls: usize) {
        for _ in 0..polls {
            let Some(number) = self.woken() else { return };
            self.poll(number);
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Cancel(known) => {
                let real = self.real.ask(known);
                let reference = self.reference.ask(known);
                assert!(self.is_open() || real == reference);
            }
            Action::Poll => self.poll(0),
            Action::Drop => self.drop_task(0),
        }
    }

    fn drop_task(&mut self, number: usize) {
        let is_open = self.is_open();
        let task = &mut self.tasks[number];
        task.real = None;
        if !is_open {
            task.reference.abandon(&mut self.reference);
            self.compare();
        }
    }

    fn settle(&mut self) {
        self.rest();
        loop {
            let all = self.reference.log.len();
            for number in 0..self.tasks.len() {
                // L5, L11: nobody had to be woken who was not; but what an executor runs wakes nobody outside.
                let may_go_on = self.reference.is_executor_woken();
                let before = self.reference.log.len();
                self.poll(number);
                let is_as_before = self.reference.log.len() == before;
                assert!(is_as_before || may_go_on, "task {number} should have been woken");
            }
            self.rest();
            if self.reference.log.len() == all {
                return;
            }
        }
    }

    fn rest(&mut self) {
        self.run(MANY);
        if let Some(number) = self.woken() {
            panic!("task {number} goes round and round");
        }
    }

    /// L17: nothing stays behind.
    fn end(mut self) -> Outcome {
        for number in 0..self.tasks.len() {
            self.drop_task(number);
        }
        let is_open = self.is_open();
        assert!(is_open || self.real.ends() == self.reference.ends());
        let given = self.real.given(2);
        drop(self.real);
        if !given.is_cancelled() {
            assert!(format!("{given:?}").contains("children: 0"), "{given:?}");
        }
        for task in self.tasks {
            drop(task.waker);
            assert_eq!(Arc::strong_count(&task.counter), 1, "wakers left behind");
        }
        Outcome {
            is_open,
            outlived: self.reference.outlived,
            happened: self.reference.happened,
        }
    }
}
