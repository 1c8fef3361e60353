use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::steps::{has_hold, hold, poll_in};
use super::*;

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn counting() -> (Arc<Count>, Shared<Waiter>) {
    let count = Arc::new(Count::default());
    (Arc::clone(&count), Waiter::new(&Waker::from(count)))
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many things are in the keeper's list of holds.
fn listed(keeper: &Pending) -> usize {
    lock(&keeper.state).inside[Kind::Hold as usize].things.len()
}

fn waits(keeper: &Pending, waker: &Shared<Waiter>) -> bool {
    keeper.has_inside(Question::waiting(Kind::Hold, waker))
}

// Lists ---------------------------------------------------------------------------------------------------------------

#[test]
fn a_hold_that_is_polled_again_and_again_is_in_the_list_once() {
    let (keeper, hold) = (Pending::new(), hold());
    for _ in 0..100 {
        poll_in(&keeper, &hold);
    }
    assert_eq!(listed(&keeper), 1);
}

#[test]
fn a_list_does_not_grow_with_the_holds_that_have_ended() {
    let keeper = Pending::new();
    let living = hold();
    poll_in(&keeper, &living);
    for _ in 0..1000 {
        let hold = hold();
        poll_in(&keeper, &hold);
        hold.end();
    }
    assert!(listed(&keeper) <= 2 * ROOM, "{} are listed", listed(&keeper));
    assert!(has_hold(&keeper));
}

#[test]
fn a_list_does_not_grow_with_a_hold_that_comes_and_goes() {
    let (here, there, hold) = (Pending::new(), Pending::new(), hold());
    for _ in 0..1000 {
        poll_in(&here, &hold);
        poll_in(&there, &hold);
    }
    for keeper in [&here, &there] {
        assert!(listed(keeper) <= 2 * ROOM, "{} are listed", listed(keeper));
    }
    assert!(!has_hold(&here));
    assert!(has_hold(&there));
}

#[test]
fn a_list_that_holds_many_is_gone_through_when_it_has_doubled() {
    let keeper = Pending::new();
    let living: Vec<_> = (0..100).map(|_| hold()).collect();
    living.iter().for_each(|hold| poll_in(&keeper, hold));
    let add_ended = |count| {
        for _ in 0..count {
            let hold = hold();
            poll_in(&keeper, &hold);
            hold.end();
        }
    };
    add_ended(20);
    assert_eq!(listed(&keeper), 120, "it has not doubled");
    add_ended(1000);
    assert!((100..=201).contains(&listed(&keeper)), "{} are listed", listed(&keeper));
}

#[test]
fn who_asks_takes_what_has_ended_out_of_the_list() {
    let keeper = Pending::new();
    for _ in 0..5 {
        let hold = hold();
        poll_in(&keeper, &hold);
        hold.end();
    }
    assert!(!has_hold(&keeper));
    assert_eq!(listed(&keeper), 0);
}

/// What is gone through is only the list: what is over may have things inside that have gone elsewhere, and may come back.
#[test]
fn what_is_over_stays_while_what_it_has_kept_lives() {
    let (keeper, over, hold) = (Pending::new(), Pending::new(), hold());
    poll_in(&over, &hold);
    poll_in(&keeper, &over);
    over.end();
    assert!(has_hold(&keeper));
    hold.end();
    assert!(!has_hold(&keeper));
}

// Places --------------------------------------------------------------------------------------------------------------

#[test]
fn no_two_keepers_ever_have_the_same_place() {
    let mut seen = HashSet::new();
    for _ in 0..3000 {
        let place = Pending::new().place();
        assert!(place > ELSEWHERE && seen.insert(place), "{place} has been taken before");
    }
    let there = std::thread::spawn(|| Pending::new().place()).join().unwrap();
    assert!(seen.insert(there), "{there} has been taken before");
}

/// A hold that was in a keeper which is gone is not taken for one that is in the next, wherever in memory that is.
#[test]
fn a_hold_does_not_count_in_a_keeper_made_where_its_own_was() {
    let hold = hold();
    for _ in 0..10 {
        let keeper = Pending::new();
        assert!(!has_hold(&keeper));
        poll_in(&keeper, &hold);
        assert!(has_hold(&keeper));
    }
}

#[test]
fn a_poll_that_was_not_the_last_adopts_nothing() {
    let (first, second, hold) = (Pending::new(), Pending::new(), hold());
    let polls = hold.polled();
    poll_in(&second, &hold);
    first.adopt(&hold, polls, false);
    assert!(!has_hold(&first));
    assert!(has_hold(&second));
}

#[test]
fn nothing_is_inside_itself() {
    let hold = hold();
    poll_in(&hold, &hold);
    assert!(!has_hold(&hold));
}

#[test]
fn a_hold_counts_again_where_it_was_before_when_its_last_keeper_goes() {
    let (first, last, hold) = (Pending::new(), Pending::new(), hold());
    poll_in(&first, &hold);
    poll_in(&last, &hold);
    assert!(!has_hold(&first));
    drop(last);
    assert!(has_hold(&first));
}

#[test]
fn a_circle_of_keepers_ends_the_question() {
    let (one, other) = (Pending::new(), Pending::new());
    let hold = hold();
    poll_in(&one, &hold);
    poll_in(&other, &one);
    poll_in(&one, &other);
    assert!(has_hold(&one));
    assert!(has_hold(&other));
    hold.end();
    assert!(!has_hold(&one));
    assert!(!has_hold(&other));
}

#[test]
fn what_is_excepted_is_not_asked_for() {
    let (keeper, hold) = (Pending::new(), hold());
    poll_in(&keeper, &hold);
    let except = [hold.place()];
    let others = Question {
        except: &except,
        ..Question::any(Kind::Hold)
    };
    assert!(!keeper.has_inside(others));
    assert!(has_hold(&keeper));
}

// Spares --------------------------------------------------------------------------------------------------------------

/// How often in a row a check point is spared, at most twice what is allowed.
fn times_spared(keeper: &Pending, kind: Kind, most: u32) -> u32 {
    let is_spared = |_: &u32| keeper.has_inside(Question::spared(kind));
    (0..2 * most).take_while(is_spared).count() as u32
}

#[test]
fn a_check_is_spared_so_often_for_a_hold_and_anew_when_that_is_polled() {
    let (keeper, hold) = (Pending::new(), hold());
    for _ in 0..3 {
        poll_in(&keeper, &hold);
        let spared = times_spared(&keeper, Kind::Hold, SPARED_FOR_A_HOLD);
        assert_eq!(spared, SPARED_FOR_A_HOLD);
        assert!(has_hold(&keeper), "who waits is not counted");
    }
}

#[test]
fn a_check_is_spared_so_often_for_foreign_waiters_and_anew_when_one_gets_out() {
    let (keeper, foreign) = (Pending::new(), Pending::new());
    foreign.set(Kind::Foreign, true);
    poll_in(&keeper, &foreign);
    for _ in 0..3 {
        let spared = times_spared(&keeper, Kind::Foreign, SPARED_FOR_FOREIGN);
        assert_eq!(spared, SPARED_FOR_FOREIGN);
        note_got_out();
    }
}

// Wakers --------------------------------------------------------------------------------------------------------------

#[test]
fn who_waits_is_woken_once_when_a_hold_moves() {
    let (first, second, third, hold) = (Pending::new(), Pending::new(), Pending::new(), hold());
    poll_in(&first, &hold);
    let (woken, waker) = counting();
    assert!(waits(&first, &waker));
    assert!(waits(&first, &waker));
    poll_in(&second, &hold);
    assert_eq!(woken.get(), 1);
    poll_in(&third, &hold);
    assert_eq!(woken.get(), 1);
    hold.end();
    assert_eq!(woken.get(), 2, "its end is news");
}

/// Otherwise they would wake each other without end.
#[test]
fn two_who_share_a_hold_wake_each_other_once() {
    let (here, there, hold) = (Pending::new(), Pending::new(), hold());
    let ((woken_here, waker_here), (woken_there, waker_there)) = (counting(), counting());
    for _ in 0..10 {
        poll_in(&here, &hold);
        assert!(waits(&here, &waker_here));
        poll_in(&there, &hold);
        assert!(waits(&there, &waker_there));
    }
    assert_eq!((woken_here.get(), woken_there.get()), (1, 1));
    hold.end();
    assert_eq!((woken_here.get(), woken_there.get()), (2, 2));
}

#[test]
fn a_hold_that_ends_while_its_waiter_is_polled_wakes_nobody() {
    let (keeper, hold) = (Pending::new(), hold());
    poll_in(&keeper, &hold);
    let (woken, waker) = counting();
    assert!(waits(&keeper, &waker));
    waker.rest();
    hold.end();
    assert_eq!(woken.get(), 0, "it is being polled");
}

#[test]
fn a_hold_that_is_polled_where_it_counts_again_wakes_nobody() {
    let (first, last, hold) = (Pending::new(), Pending::new(), hold());
    poll_in(&first, &hold);
    poll_in(&last, &hold);
    drop(last);
    let (woken, waker) = counting();
    assert!(waits(&first, &waker));
    poll_in(&first, &hold);
    assert_eq!(woken.get(), 0, "it has not moved");
}

#[test]
fn who_waits_is_woken_when_the_keeper_of_a_hold_goes() {
    let (outer, inner, hold) = (Pending::new(), Pending::new(), hold());
    poll_in(&inner, &hold);
    poll_in(&outer, &inner);
    let (woken, waker) = counting();
    assert!(waits(&outer, &waker));
    inner.end();
    assert_eq!(woken.get(), 1);
}

/// A future that two scopes poll by turns, and in which a hold ends in a poll of the other one's: it is pending on, and who waited
/// has nothing left to wait for.
#[test]
fn who_waits_is_woken_when_the_last_hold_ends_in_somebody_elses_poll() {
    let (here, there, shared, hold) = (Pending::new(), Pending::new(), Pending::new(), hold());
    let (woken, waker) = counting();
    for _ in 0..2 {
        poll_in(&shared, &hold);
        poll_in(&there, &shared);
        poll_in(&shared, &hold);
        poll_in(&here, &shared);
        assert!(waits(&here, &waker));
    }
    let before = woken.get();
    hold.end();
    poll_in(&there, &shared);
    assert_eq!(woken.get(), before + 1);
}
