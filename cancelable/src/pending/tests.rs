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

#[test]
fn who_asks_takes_out_what_has_nothing_inside_any_more_or_has_gone_for_good() {
    let (keeper, inner, emptied, gone) = (Pending::new(), Pending::new(), hold(), hold());
    poll_in(&inner, &emptied);
    poll_in(&keeper, &inner);
    poll_in(&keeper, &gone);
    assert_eq!(listed(&keeper), 2);
    emptied.end();
    let elsewhere = [Pending::new(), Pending::new()];
    for there in &elsewhere {
        poll_in(there, &gone);
    }
    assert!(!has_hold(&keeper));
    assert_eq!(listed(&keeper), 0);
}

/// As a region, polled under one waker after the other.
#[test]
fn what_was_taken_out_is_in_the_list_again_when_it_is_of_the_kind_again() {
    let (keeper, thing) = (Pending::new(), Pending::new());
    for _ in 0..3 {
        thing.set(Kind::Foreign, true);
        poll_in(&keeper, &thing);
        assert!(keeper.has_inside(Question::any(Kind::Foreign)));
        thing.set(Kind::Foreign, false);
        assert!(!keeper.has_inside(Question::any(Kind::Foreign)));
        poll_in(&keeper, &thing);
    }
}

#[test]
fn a_list_does_not_grow_with_what_lives_on_elsewhere() {
    let [here, there, further] = [(); 3].map(|()| Pending::new());
    let things: Vec<_> = (0..2000).map(|_| Pending::new()).collect();
    for (n, thing) in things.iter().enumerate() {
        let kind = Kind::BOTH[n % 2];
        thing.set(kind, true);
        poll_in(&here, thing);
        poll_in(&there, thing);
        if let Kind::Hold = kind {
            // Else it may still count here once what it is in is gone.
            poll_in(&further, thing);
        }
    }
    for kind in Kind::BOTH {
        let listed = lock(&here.state).inside[kind as usize].things.len();
        assert!(listed <= 2 * ROOM, "{listed} are listed");
    }
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

#[test]
fn what_is_over_stays_while_what_it_has_kept_may_come_back() {
    let (keeper, over, away, hold) = (Pending::new(), Pending::new(), Pending::new(), hold());
    poll_in(&over, &hold);
    poll_in(&keeper, &over);
    over.end();
    poll_in(&away, &hold);
    assert!(!has_hold(&keeper));
    drop(away);
    assert!(has_hold(&keeper));
}

// Places --------------------------------------------------------------------------------------------------------------

#[test]
fn no_two_keepers_ever_have_the_same_place() {
    let mut seen = HashSet::new();
    for _ in 0..3000 {
        let place = Pending::new().place();
        assert!(place > ELSEWHERE && seen.insert(place), "{place} has been taken before");
    }
    // Several threads, none of which has come to the end of its numbers when the next one begins.
    for _ in 0..3 {
        let places = || [(); 3000].map(|()| Pending::new().place());
        for there in std::thread::spawn(places).join().unwrap() {
            assert!(seen.insert(there), "{there} has been taken before");
        }
    }
}

/// Between the two it was polled where there is no keeper.
#[test]
fn a_hold_counts_again_where_it_was_before_though_it_was_polled_nowhere_for_a_while() {
    let (first, last, hold) = (Pending::new(), Pending::new(), hold());
    poll_in(&first, &hold);
    for _ in 0..2 {
        hold.polled();
    }
    poll_in(&last, &hold);
    assert!(!has_hold(&first));
    drop(last);
    assert!(has_hold(&first));
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
fn who_waits_is_woken_once_when_a_hold_moves_until_it_asks_again() {
    let (first, second, third, hold) = (Pending::new(), Pending::new(), Pending::new(), hold());
    poll_in(&first, &hold);
    let (woken, waker) = counting();
    assert!(waits(&first, &waker));
    assert!(waits(&first, &waker));
    poll_in(&second, &hold);
    assert_eq!(woken.get(), 1);
    poll_in(&third, &hold);
    assert_eq!(woken.get(), 1);
    poll_in(&first, &hold);
    assert!(waits(&first, &waker));
    poll_in(&second, &hold);
    assert_eq!(woken.get(), 2);
    hold.end();
    assert_eq!(woken.get(), 3, "its end is news");
}

#[test]
fn two_who_share_a_hold_do_not_wake_each_other_without_end() {
    let (here, there, hold) = (Pending::new(), Pending::new(), hold());
    let ((woken_here, waker_here), (woken_there, waker_there)) = (counting(), counting());
    for _ in 0..2 * TOLD_OF_MOVES {
        poll_in(&here, &hold);
        assert!(waits(&here, &waker_here));
        poll_in(&there, &hold);
        assert!(waits(&there, &waker_there));
    }
    let most = usize::from(TOLD_OF_MOVES);
    assert_eq!((woken_here.get(), woken_there.get()), (most, most));
    hold.end();
    assert_eq!((woken_here.get(), woken_there.get()), (most + 1, most + 1));
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

#[test]
fn who_waits_for_a_hold_is_not_woken_by_what_else_it_is() {
    let (keeper, hold) = (Pending::new(), hold());
    hold.set(Kind::Foreign, true);
    poll_in(&keeper, &hold);
    let (woken, waker) = counting();
    assert!(waits(&keeper, &waker));
    hold.set(Kind::Foreign, false);
    // As it is said after each poll that ends pending.
    hold.set(Kind::Hold, true);
    assert_eq!(woken.get(), 0);
    hold.set(Kind::Hold, false);
    assert_eq!(woken.get(), 1);
}

#[test]
fn who_waits_is_woken_if_nobody_adopts_a_hold_and_not_if_somebody_has() {
    let (first, hold) = (Pending::new(), hold());
    poll_in(&first, &hold);
    let (woken, waker) = counting();
    assert!(waits(&first, &waker));
    let polls = hold.polled();
    first.adopt(&hold, polls, false);
    hold.nobodys(polls);
    assert_eq!(woken.get(), 0, "it is where it was");
    let (before, _) = (hold.polled(), hold.polled());
    hold.nobodys(before);
    assert_eq!(woken.get(), 0, "it was polled again since");
    poll_in(&first, &hold);
    let polls = hold.polled();
    hold.nobodys(polls);
    assert_eq!(woken.get(), 1);
}

#[test]
fn who_begins_to_wait_when_a_hold_has_just_gone_or_ended_is_woken_at_once() {
    let hold = hold();
    let (woken, waker) = counting();
    let question = Question::waiting(Kind::Hold, &waker);
    hold.wait(question, |_| false);
    assert_eq!(woken.get(), 1);
    hold.wait(question, |_| true);
    assert_eq!(woken.get(), 1);
    hold.end();
    assert_eq!(woken.get(), 2);
    hold.wait(question, |_| true);
    assert_eq!(woken.get(), 3);
}

#[test]
fn a_hold_forgets_those_that_wait_no_more() {
    let (keeper, hold) = (Pending::new(), hold());
    poll_in(&keeper, &hold);
    for _ in 0..100 {
        assert!(waits(&keeper, &counting().1));
    }
    assert_eq!(lock(&hold.state).waiting.len(), 1);
}

#[test]
fn what_was_just_polled_is_found_if_it_is_of_the_kind() {
    let (keeper, hold) = (Pending::new(), hold());
    poll_in(&keeper, &hold);
    let is_found = |what: &Arc<Pending>, kind, polls| what.is_or_has(Question::any(kind), polls, false);
    let polls = hold.polled();
    assert!(is_found(&hold, Kind::Hold, polls) && !is_found(&hold, Kind::Foreign, polls));
    assert!(!is_found(&hold, Kind::Hold, polls - 1));
    keeper.adopt(&hold, polls, false);
    let polls = keeper.polled();
    assert!(is_found(&keeper, Kind::Hold, polls) && !is_found(&keeper, Kind::Foreign, polls));
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
    assert!(woken.get() > before);
}
