//! The two rounds of telling (contract §5): foreign wakers, then the told bit, then the rest.

use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};

use crate::token::{CancellationToken, Registered};

/// Notes its name, and whether the first round was over, when it is woken.
struct Note {
    name: &'static str,
    token: CancellationToken,
    log: Arc<Mutex<Vec<(&'static str, bool)>>>,
}

impl Wake for Note {
    fn wake(self: Arc<Self>) {
        let told = self.token.cause().is_some_and(|cause| cause.is_told());
        self.log.lock().unwrap().push((self.name, told));
    }
}

struct Stage {
    token: CancellationToken,
    log: Arc<Mutex<Vec<(&'static str, bool)>>>,
}

impl Stage {
    fn new() -> Self {
        Self {
            token: CancellationToken::new(),
            log: Arc::default(),
        }
    }

    fn waker(&self, name: &'static str) -> Waker {
        Waker::from(Arc::new(Note {
            name,
            token: self.token.clone(),
            log: Arc::clone(&self.log),
        }))
    }

    fn cancel(self) -> Vec<(&'static str, bool)> {
        self.token.cancel();
        let log = self.log.lock().unwrap();
        log.clone()
    }
}

fn register(registered: &mut Pin<&mut Registered<CancellationToken>>, waker: &Waker, foreign: bool) {
    assert!(registered.as_mut().register(waker, foreign));
}

#[test]
fn foreign_wakers_come_first_and_see_the_first_round_under_way() {
    let stage = Stage::new();
    let mut own = pin!(Registered::new(stage.token.clone()));
    let mut foreign = pin!(Registered::new(stage.token.clone()));
    register(&mut own, &stage.waker("own"), false);
    register(&mut foreign, &stage.waker("foreign"), true);
    assert_eq!(stage.cancel(), [("foreign", false), ("own", true)]);
}

#[test]
fn a_waiter_that_becomes_foreign_moves_to_the_first_round() {
    let stage = Stage::new();
    let mut own = pin!(Registered::new(stage.token.clone()));
    let mut turncoat = pin!(Registered::new(stage.token.clone()));
    register(&mut own, &stage.waker("own"), false);
    register(&mut turncoat, &stage.waker("before"), false);
    register(&mut turncoat, &stage.waker("foreign now"), true);
    assert_eq!(stage.cancel(), [("foreign now", false), ("own", true)]);
}

#[test]
fn a_waiter_that_stops_being_foreign_does_not_hide_those_behind_it() {
    let stage = Stage::new();
    let mut foreign = pin!(Registered::new(stage.token.clone()));
    let mut turncoat = pin!(Registered::new(stage.token.clone()));
    register(&mut foreign, &stage.waker("foreign"), true);
    register(&mut turncoat, &stage.waker("before"), true);
    register(&mut turncoat, &stage.waker("own now"), false);
    assert_eq!(stage.cancel(), [("foreign", false), ("own now", true)]);
}

#[test]
fn whoever_registers_late_for_the_end_of_the_first_round_is_woken_then_or_told_so() {
    let stage = Stage::new();
    let token = stage.token.clone();
    let late = stage.waker("late");
    let mut foreign = pin!(Registered::new(stage.token.clone()));

    struct Registers(CancellationToken, Waker);
    impl Wake for Registers {
        fn wake(self: Arc<Self>) {
            assert!(
                self.0.cause().unwrap().wake_when_told(&self.1),
                "the first round is under way"
            );
        }
    }
    register(
        &mut foreign,
        &Waker::from(Arc::new(Registers(token.clone(), late.clone()))),
        true,
    );
    assert_eq!(stage.cancel(), [("late", true)]);
    assert!(!token.cause().unwrap().wake_when_told(&late), "too late to be woken");
}

#[test]
fn whoever_waits_for_the_end_of_the_second_round_is_woken_after_those_who_wait_for_that_of_the_first() {
    let stage = Stage::new();
    let token = stage.token.clone();
    let (inner, outer) = (stage.waker("inner"), stage.waker("outer"));
    let mut foreign = pin!(Registered::new(stage.token.clone()));

    struct Registers(CancellationToken, Waker, Waker);
    impl Wake for Registers {
        fn wake(self: Arc<Self>) {
            let cause = self.0.cause().unwrap();
            assert!(cause.wake_when_all_told(&self.2) && cause.wake_when_told(&self.1));
        }
    }
    register(
        &mut foreign,
        &Waker::from(Arc::new(Registers(token.clone(), inner, outer.clone()))),
        true,
    );
    assert_eq!(stage.cancel(), [("inner", true), ("outer", true)]);
    assert!(
        !token.cause().unwrap().wake_when_all_told(&outer),
        "too late to be woken"
    );
}

#[test]
fn a_cancel_that_finds_nobody_waiting_is_over_in_both_rounds() {
    let stage = Stage::new();
    let child = stage.token.child_token();
    for token in [child, stage.token.clone()] {
        token.cancel();
        let cause = token.cause().unwrap();
        assert!(cause.is_told() && cause.is_all_told());
    }
}

#[test]
fn l12_foreign_wakers_come_first_whichever_node_of_the_tree_they_wait_for() {
    // Nodes are marked in the order of the left child, the right child, the root.
    for at in 0..3 {
        let stage = Stage::new();
        let nodes = [
            stage.token.child_token(),
            stage.token.child_token(),
            stage.token.clone(),
        ];
        let mut waiting: Vec<_> = nodes.into_iter().map(|node| Box::pin(Registered::new(node))).collect();
        for (i, registered) in waiting.iter_mut().enumerate() {
            let is_foreign = i == at;
            let waker = stage.waker(if is_foreign { "foreign" } else { "own" });
            register(&mut registered.as_mut(), &waker, is_foreign);
        }
        assert_eq!(
            stage.cancel(),
            [("foreign", false), ("own", true), ("own", true)],
            "{at}"
        );
    }
}

#[test]
fn l12_a_callback_that_comes_up_from_a_dropped_child_leaves_foreign_wakers_in_front() {
    let stage = Stage::new();
    let mut foreign = pin!(Registered::new(stage.token.clone()));
    register(&mut foreign, &stage.waker("foreign"), true);
    let log = Arc::clone(&stage.log);
    let child = stage.token.child_token();
    child
        .on_cancel(move |_| log.lock().unwrap().push(("callback", true)))
        .detach();
    drop(child);
    assert_eq!(stage.cancel(), [("foreign", false), ("callback", true)]);
}
