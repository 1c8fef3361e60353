//! Models of late tokens under loom: a region ends on one thread, and who rode on it goes on, or ends, on another.
//!
//! Run by `.ci/token-proof loom`. Without frames: what these do in a poll is called here by itself. A lost wake shows as a deadlock.

use super::*;
use crate::explore::{explore, spawn};
use crate::pending::loom::Bell;

fn late(waker: &Waker) -> Arc<LateToken> {
    let root = StandIn::Made(CancellationToken::new());
    LateToken::new(root, None, Subject::NONE, None, waker, &Cell::default())
}

#[test]
fn l16_who_was_polled_elsewhere_finds_that_what_it_rode_on_has_ended() {
    explore(3, || {
        let late = late(&Bell::with_waker().1);
        let rider = Arc::clone(&late);
        let thread = spawn(move || {
            let stand_in = rider.token();
            drop(rider);
            stand_in
        });
        LateToken::end(late, CancellationToken::cancel);
        assert!(thread.join().unwrap().is_cancelled());
    });
}

#[test]
fn l11_who_rides_is_woken_once_the_token_is_cancelled() {
    explore(3, || {
        let (bell, waker) = Bell::with_waker();
        let (late, rider) = {
            let late = late(&waker);
            (Arc::clone(&late), late)
        };
        let thread = spawn(move || {
            bell.wait();
            assert!(rider.made().is_some_and(|token| token.is_cancelled()));
        });
        LateToken::end(late, CancellationToken::cancel);
        thread.join().unwrap();
    });
}

#[test]
fn whoever_makes_the_token_there_is_one() {
    explore(3, || {
        let late = late(&Bell::with_waker().1);
        let rider = Arc::clone(&late);
        let thread = spawn(move || rider.token());
        let token = late.token();
        assert!(token == thread.join().unwrap());
        // Who comes later finds the same.
        assert!(late.made().is_some_and(|made| made == token));
    });
}
