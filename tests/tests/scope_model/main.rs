//! Random programs of scopes, shields, awaits and cancels, run by the library and by a reference interpreter of the laws.

mod program;
mod real;
mod reference;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cancelable::CancellationToken;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::RngSeed;
use tests::{CountingWaker, PollsInWaker, Runtime, poll_with};

use program::{Action, Node, What, actions, orderly_program, program};

/// More polls than any of these programs takes.
const MANY: usize = 500;

/// The library beside the reference, polled in step.
struct Pair {
    real: Option<real::Fut>,
    real_world: Arc<real::World>,
    task: reference::Task,
    reference: reference::World,
    counter: Arc<CountingWaker>,
    waker: std::task::Waker,
    seen: usize,
}

impl Pair {
    fn new(node: &Node) -> Self {
        let real_world = real::World::new();
        let (counter, waker) = CountingWaker::new();
        Self {
            real: Some(real::build(node, &mut 0, false, &real_world)),
            real_world,
            task: reference::Task::new(node, &mut 0, false),
            reference: reference::World::new(),
            counter,
            waker,
            // To be polled a first time.
            seen: usize::MAX,
        }
    }

    fn poll(&mut self) {
        self.seen = self.counter.count();
        let Some(real) = &mut self.real else { return };
        let real = poll_with(real, &self.waker);
        let reference = self.task.poll(&mut self.reference, 0);
        self.compare();
        assert_eq!(real.is_ready(), reference.is_some());
        if real.is_ready() {
            self.real = None;
        }
    }

    fn compare(&self) {
        assert_eq!(self.real_world.log(), self.reference.log);
    }

    /// Polls as often as the task is woken, but at most `polls` times.
    fn run(&mut self, polls: usize) {
        for _ in 0..polls {
            if self.real.is_none() || self.counter.count() == self.seen {
                return;
            }
            self.poll();
        }
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Cancel(known) => assert_eq!(self.real_world.ask(known), self.reference.ask(known)),
            Action::Poll => self.poll(),
            Action::Drop => {
                self.real = None;
                self.task.abandon(&mut self.reference);
                self.compare();
            }
        }
    }

    fn settle(&mut self) {
        self.run(MANY);
        if self.real.is_some() {
            assert_eq!(self.counter.count(), self.seen, "it goes round and round");
            // L5, L11: nobody had to be woken who was not.
            let log = self.reference.log.len();
            self.poll();
            assert_eq!(self.reference.log.len(), log, "it should have been woken");
        }
    }

    /// L17: nothing stays behind.
    fn end(mut self) {
        self.act(Action::Drop);
        assert_eq!(self.real_world.ends(), self.reference.ends());
        let given = self.real_world.given(2);
        drop(self.real_world);
        if !given.is_cancelled() {
            assert!(format!("{given:?}").contains("children: 0"), "{given:?}");
        }
        drop(self.waker);
        assert_eq!(Arc::strong_count(&self.counter), 1, "wakers left behind");
    }
}

fn run(node: &Node, actions: &[(usize, Action)]) {
    let mut pair = Pair::new(node);
    for &(polls, action) in actions {
        pair.run(polls);
        pair.act(action);
    }
    pair.settle();
    pair.end();
}

/// L12, L13: no annotated await that had started was dropped; each ended by itself.
fn check_orderly(node: &Node, world: &real::World) {
    let mut guards = Vec::new();
    node.guards(&mut 0, &mut guards);
    let log = world.log();
    for guard in guards {
        let dropped = log
            .iter()
            .any(|event| event.node == guard && event.what == What::Dropped);
        assert!(!dropped, "the guarded await {guard} was dropped untold: {log:#?}");
    }
}

/// Cancels after so many polls, and polls when woken.
fn run_by_hand(node: &Node, polls: usize) {
    let world = real::World::new();
    let mut future = real::build(node, &mut 0, false, &world);
    let (counter, waker) = CountingWaker::new();
    let mut cancelled = false;
    for poll in 0..MANY {
        let woken = counter.count();
        if poll_with(&mut future, &waker).is_ready() {
            return check_orderly(node, &world);
        }
        if !cancelled && (poll >= polls || counter.count() == woken) {
            cancelled = true;
            world.given(0).cancel();
        }
        assert!(!cancelled || counter.count() > woken, "not woken");
    }
    panic!("it does not end")
}

/// Cancels from this thread, whose wake-ups poll at once, one by one, while others of them are still to come.
fn run_in_wakers(node: &Node) {
    let world = real::World::new();
    let task = PollsInWaker::start(real::build(node, &mut 0, false, &world));
    world.given(0).cancel();
    assert!(task.take_output().is_some(), "still running");
    check_orderly(node, &world);
}

/// Cancels from another thread, at any moment.
fn run_on(runtime: Runtime, node: &Node) {
    let world = real::World::new();
    let future = real::build(node, &mut 0, false, &world);
    let token = world.given(0);
    let canceller = std::thread::spawn(move || token.cancel());
    drop(runtime.run(future));
    canceller.join().unwrap();
    check_orderly(node, &world);
}

/// Cancels from a thread that waits for nothing else, so that the cancel falls into the first polls: between any two steps
/// of theirs, if it is done often enough.
fn run_beside(canceller: &Canceller, node: &Node) {
    let world = real::World::new();
    let mut future = real::build(node, &mut 0, false, &world);
    let (counter, waker) = CountingWaker::new();
    canceller.cancel_soon(world.given(0));
    let mut seen = usize::MAX;
    loop {
        let woken = counter.count();
        let told = canceller.is_idle();
        if woken != seen {
            seen = woken;
            if poll_with(&mut future, &waker).is_ready() {
                break;
            }
        } else {
            assert!(!told || counter.count() > seen, "not woken");
            std::hint::spin_loop();
        }
    }
    canceller.finish();
    check_orderly(node, &world);
}

/// A thread that cancels one token after the other.
#[derive(Default)]
struct Canceller {
    next: Mutex<Option<CancellationToken>>,
    is_busy: AtomicBool,
    is_over: AtomicBool,
}

impl Canceller {
    /// Runs `f` with one.
    fn run<R>(f: impl FnOnce(&Self) -> R) -> R {
        struct Over<'a>(&'a Canceller);

        impl Drop for Over<'_> {
            fn drop(&mut self) {
                self.0.is_over.store(true, Ordering::SeqCst);
            }
        }

        let this = Self::default();
        std::thread::scope(|scope| {
            // Also if `f` panics.
            let over = Over(&this);
            scope.spawn(|| this.work());
            let result = f(over.0);
            drop(over);
            result
        })
    }

    fn work(&self) {
        let mut random = 1_u64;
        while !self.is_over.load(Ordering::SeqCst) {
            if !self.is_busy.load(Ordering::SeqCst) {
                std::thread::yield_now();
                continue;
            }
            if let Some(token) = self.next.lock().unwrap().take() {
                // Any length of time that such a program's first polls may take.
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                (0..random % 256).for_each(|_| std::hint::spin_loop());
                token.cancel();
            }
            self.is_busy.store(false, Ordering::SeqCst);
        }
    }

    fn cancel_soon(&self, token: CancellationToken) {
        *self.next.lock().unwrap() = Some(token);
        self.is_busy.store(true, Ordering::SeqCst);
    }

    /// Has it cancelled what it was given, and woken everyone?
    fn is_idle(&self) -> bool {
        !self.is_busy.load(Ordering::SeqCst)
    }

    fn finish(&self) {
        while !self.is_idle() {
            std::thread::yield_now();
        }
    }
}

/// `PROPTEST_CASES` says how many, for a run at length.
fn config(cases: u32) -> ProptestConfig {
    let at_length = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: at_length.unwrap_or(cases),
        // The same ones in every run, unless they are asked for.
        rng_seed: at_length.map_or(RngSeed::Fixed(0), |_: u32| RngSeed::Random),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(10_000))]

    #[test]
    fn programs_do_what_the_laws_say(node in program(), actions in actions()) {
        run(&node, &actions);
    }

    #[test]
    fn orderly_programs_are_unwound_by_their_own_check_points(node in orderly_program(), polls in 0_usize..6) {
        run_by_hand(&node, polls);
    }

    #[test]
    fn orderly_programs_are_unwound_by_an_executor_that_polls_inside_the_waker(node in orderly_program()) {
        run_in_wakers(&node);
    }
}

#[test]
fn orderly_programs_are_unwound_whenever_another_thread_cancels() {
    Canceller::run(|canceller| {
        proptest!(config(10_000), |(node in orderly_program())| {
            for _ in 0..8 {
                run_beside(canceller, &node);
            }
        });
    });
}

proptest! {
    // A runtime is built for each.
    #![proptest_config(config(500))]

    #[test]
    fn orderly_programs_are_unwound_on_every_runtime(node in orderly_program(), runtime in select(&Runtime::ALL)) {
        run_on(runtime, &node);
    }
}
