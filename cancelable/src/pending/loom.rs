//! Models of holds under loom: one thread asks and waits, another polls, moves, ends or drops what is asked for.
//!
//! Run by `.ci/token-proof loom`. Without frames: what these do in a poll is called here by itself. A lost wake shows as a deadlock.

use std::task::Wake;

use super::steps::{has_hold, hold, poll_in};
use super::*;
use crate::explore::{explore, spawn};
use crate::primitive::Condvar;

/// A task's bell. (Loom's `unpark` would also wake a thread that waits for something else.)
#[derive(Default)]
pub(crate) struct Bell {
    has_rung: Mutex<bool>,
    rings: Condvar,
}

impl Bell {
    pub(crate) fn with_waker() -> (std::sync::Arc<Self>, Waker) {
        let bell = std::sync::Arc::new(Self::default());
        (std::sync::Arc::clone(&bell), Waker::from(bell))
    }

    pub(crate) fn wait(&self) {
        let mut has_rung = lock(&self.has_rung);
        while !*has_rung {
            has_rung = self.rings.wait(has_rung).unwrap();
        }
        *has_rung = false;
    }
}

impl Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        *lock(&self.has_rung) = true;
        self.rings.notify_one();
    }
}

/// What a cancelled check point does: it stays until there is no hold inside.
fn wait_for_holds_in(keeper: &Pending) {
    let (bell, waker) = Bell::with_waker();
    wait_with(&bell, &Waiter::new(&waker), keeper);
}

fn wait_with(bell: &Bell, waker: &Shared<Waiter>, keeper: &Pending) {
    while keeper.has_inside(Question::waiting(Kind::Hold, waker)) {
        bell.wait();
    }
}

/// Another scope polls it to its end, or drops it.
#[test]
fn l12_who_waits_is_woken_when_a_hold_ends_on_another_thread() {
    explore(3, || {
        let (a, hold) = (Pending::new(), hold());
        poll_in(&a, &hold);
        let other = Arc::clone(&hold);
        let thread = spawn(move || other.end());
        wait_for_holds_in(&a);
        assert!(!lock(&hold.state).is[Kind::Hold as usize], "it was still held");
        thread.join().unwrap();
    });
}

#[test]
fn l12_who_waits_is_woken_when_a_hold_moves_to_another_scope() {
    explore(3, || {
        let (a, b, hold) = (Pending::new(), Pending::new(), hold());
        poll_in(&a, &hold);
        let (other, there) = (Arc::clone(&hold), Arc::clone(&b));
        let thread = spawn(move || poll_in(&there, &other));
        wait_for_holds_in(&a);
        thread.join().unwrap();
        assert!(!has_hold(&a));
        assert!(has_hold(&b));
    });
}

/// By code that has no check points.
#[test]
fn l12_who_waits_is_woken_when_a_hold_is_polled_where_there_is_no_scope() {
    explore(3, || {
        let (a, hold) = (Pending::new(), hold());
        poll_in(&a, &hold);
        let other = Arc::clone(&hold);
        let thread = spawn(move || {
            let polls = other.polled();
            other.nobodys(polls);
        });
        wait_for_holds_in(&a);
        thread.join().unwrap();
    });
}

/// Who waits has been told that it had moved, and it is back. Now the hold ends in a poll of the other scope's, where it is in place.
#[test]
fn l12_who_waits_is_woken_when_the_last_hold_ends_in_somebody_elses_poll() {
    explore(3, || {
        let (a, b, shared, hold) = (Pending::new(), Pending::new(), Pending::new(), hold());
        let (bell, waker) = Bell::with_waker();
        let waker = Waiter::new(&waker);
        poll_in(&shared, &hold);
        poll_in(&a, &shared);
        assert!(a.has_inside(Question::waiting(Kind::Hold, &waker)));
        poll_in(&b, &shared);
        poll_in(&a, &shared);
        let thread = spawn(move || {
            hold.end();
            poll_in(&b, &shared);
        });
        wait_with(&bell, &waker, &a);
        thread.join().unwrap();
    });
}

/// What the scope leaves that had it last counts where it was before, also when it was asked about there meanwhile.
#[test]
fn l12_a_hold_that_its_last_scope_leaves_counts_again() {
    explore(3, || {
        let (a, b, hold) = (Pending::new(), Pending::new(), hold());
        poll_in(&a, &hold);
        let (first, other) = (Arc::clone(&a), Arc::clone(&hold));
        let thread = spawn(move || {
            poll_in(&b, &other);
            drop(b);
            assert!(has_hold(&first), "it is nobody's");
            other.end();
        });
        wait_for_holds_in(&a);
        thread.join().unwrap();
        assert!(!has_hold(&a));
    });
}

/// A check point with holds inside is itself polled by another scope, and a new hold begins in there while it is asked.
#[test]
fn l12_a_hold_that_begins_while_its_check_point_is_asked_is_not_forgotten() {
    explore(3, || {
        let (outer, between, inner) = (Pending::new(), Pending::new(), Pending::new());
        let old = hold();
        poll_in(&inner, &old);
        poll_in(&between, &inner);
        poll_in(&outer, &between);
        old.end();
        let (new, there) = (hold(), Arc::clone(&between));
        let thread = spawn(move || {
            poll_in(&inner, &new);
            poll_in(&there, &inner);
            assert!(has_hold(&there), "the new one is forgotten");
        });
        has_hold(&outer);
        thread.join().unwrap();
        assert!(has_hold(&between), "the new one is forgotten");
    });
}

/// A list that has become long is gone through, and what is asked for meanwhile is found in it.
#[test]
fn l12_a_hold_is_found_while_its_list_is_gone_through() {
    explore(3, || {
        let (a, hold) = (Pending::new(), hold());
        poll_in(&a, &hold);
        for _ in 1..ROOM {
            a.adopt(&ended_in_between(), 1, false);
        }
        let there = Arc::clone(&a);
        let thread = spawn(move || there.adopt(&ended_in_between(), 1, false));
        assert!(has_hold(&a), "it is not in the list");
        thread.join().unwrap();
        assert!(has_hold(&a), "it is not in the list");
    });
}

/// A keeper of what has ended.
fn ended_in_between() -> Arc<Pending> {
    let (keeper, hold) = (Pending::new(), hold());
    poll_in(&keeper, &hold);
    hold.end();
    assert_eq!(keeper.polled(), 1);
    keeper
}
