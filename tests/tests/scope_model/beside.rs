//! Programs whose cancel comes at a moment that nobody knows: no reference can say what happens, but what must not is known.

use std::collections::BTreeSet;

use cancelable::ReasonKind;
use tests::{CountingWaker, PollsInWaker, Runtime, poll_with};

use crate::canceller::Canceller;
use crate::program::{Event, Kind, Node, What};
use crate::real;

/// More polls than any of these programs takes.
const MANY: usize = 500;

/// L12, L13: no annotated await that had started was dropped, no shield, and none that has to finish; each ended by itself.
/// And every error is of that cancel, or of one that a branch of a race had, or that a scope had which a future outlived.
fn check_orderly(node: &Node, world: &real::World) {
    let log = world.log();
    let mut dropped_by_others = BTreeSet::new();
    node.number(&mut 0, &mut |id, node| {
        // The error of a scope that a future has outlived is no cancel of the function that hands it on, with what that owns.
        if let Node::Own { value, .. } = node
            && log.iter().any(|event| event.node == id && is_of_an_ended_scope(event))
        {
            let mut end = id + 1;
            value.number(&mut end, &mut |_, _| {});
            dropped_by_others.extend(id + 1..end);
        }
        let is_safe = match node {
            Node::Guard(_) | Node::Finish(_) => !dropped_by_others.contains(&id),
            Node::In(region, _) => region.kind == Kind::Shield && !dropped_by_others.contains(&id),
            _ => false,
        };
        let is_dropped = |id| log.iter().any(|event| event.node == id && event.what == What::Dropped);
        assert!(!is_safe || !is_dropped(id), "node {id} was dropped: {log:#?}");
    });
    for event in &log {
        if let What::Error(error) = &event.what {
            let is_local = matches!(error.kind, ReasonKind::Superseded | ReasonKind::ScopeEnded);
            assert!(is_local || error.belongs_to == [0], "{event:?}: {log:#?}");
        }
    }
}

fn is_of_an_ended_scope(event: &Event) -> bool {
    matches!(&event.what, What::Error(error) if error.kind == ReasonKind::ScopeEnded)
}

/// Cancels after so many polls, and polls when woken.
pub(crate) fn run_by_hand(node: &Node, polls: usize) {
    let world = real::World::new();
    let mut future = real::build(node, &world);
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
pub(crate) fn run_in_wakers(node: &Node) {
    let world = real::World::new();
    let task = PollsInWaker::start(real::build(node, &world));
    world.given(0).cancel();
    assert!(task.take_output().is_some(), "still running");
    check_orderly(node, &world);
}

/// Cancels from another thread, at any moment.
pub(crate) fn run_on(runtime: Runtime, node: &Node) {
    let world = real::World::new();
    let future = real::build(node, &world);
    let token = world.given(0);
    let canceller = std::thread::spawn(move || token.cancel());
    drop(runtime.run(future));
    canceller.join().unwrap();
    check_orderly(node, &world);
}

/// Cancels from a thread that waits for nothing else, so that the cancel falls into the first polls: between any two steps
/// of theirs, if it is done often enough.
pub(crate) fn run_beside(canceller: &Canceller, node: &Node) {
    let world = real::World::new();
    let mut future = real::build(node, &world);
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
            std::thread::yield_now();
        }
    }
    canceller.finish();
    check_orderly(node, &world);
}
