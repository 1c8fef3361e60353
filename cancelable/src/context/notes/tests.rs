use super::*;
use crate::pending::Kind;

const OWNER: Owner = 1;
const OTHER: Owner = 2;

fn hold() -> Arc<Pending> {
    let hold = Pending::new();
    hold.set(Kind::Hold, true);
    hold
}

fn note(owner: Owner, hold: &Arc<Pending>) {
    let polls = hold.polled();
    push(owner, hold, Role::Polled { polls, is_loose: false });
}

/// How many notes of this owner's say that what they are about is loose, and how many do not.
fn loose(owner: Owner) -> (usize, usize) {
    let notes = all(owner);
    let is_loose = |(_, role): &&(_, Role)| matches!(role, Role::Polled { is_loose: true, .. });
    let loose = notes.iter().filter(is_loose).count();
    (loose, notes.len() - loose)
}

#[test]
fn what_was_polled_in_an_await_that_has_ended_is_loose_and_nothing_else() {
    note(OWNER, &hold());
    let since = mark();
    note(OWNER, &hold());
    note(OTHER, &hold());
    loosen(OWNER, since);
    assert_eq!(loose(OWNER), (1, 1));
    assert_eq!(loose(OTHER), (0, 1));
}

#[test]
fn what_is_given_away_is_loose_only_if_its_scope_is_over() {
    let since = mark();
    note(OWNER, &hold());
    give(OWNER, since, OTHER, false);
    assert_eq!((loose(OWNER), loose(OTHER)), ((0, 0), (0, 1)));
    give(OTHER, since, OWNER, true);
    assert_eq!((loose(OWNER), loose(OTHER)), ((1, 0), (0, 0)));
}

#[test]
fn notes_are_taken_the_last_first_and_only_those_since() {
    let (before, first, second) = (hold(), hold(), hold());
    note(OWNER, &before);
    let since = mark();
    note(OWNER, &first);
    note(OTHER, &hold());
    note(OWNER, &second);
    let pop = || pop(OWNER, since).map(|note| note.what.place());
    assert_eq!(pop(), Some(second.place()));
    assert_eq!(pop(), Some(first.place()));
    assert_eq!(pop(), None);
    assert_eq!(all(OWNER).len(), 1);
}

#[test]
fn two_notes_in_a_row_of_one_thing_are_one() {
    let hold = hold();
    for _ in 0..10 {
        note(OWNER, &hold);
    }
    assert_eq!(all(OWNER).len(), 1);
}

/// In a poll that goes on for long.
#[test]
fn notes_do_not_grow_with_those_that_are_out_of_date_and_none_is_lost() {
    let stays: Vec<_> = (0..10).map(|_| hold()).collect();
    stays.iter().for_each(|hold| note(OWNER, hold));
    let by_turns = [hold(), hold()];
    for n in 0..10 * LEAST_ROOM {
        note(OWNER, &by_turns[n % 2]);
    }
    let notes = all(OWNER);
    assert!(notes.len() <= LEAST_ROOM + 1, "{} notes", notes.len());
    for hold in stays.iter().chain(&by_turns) {
        assert!(notes.iter().any(|(what, _)| Arc::ptr_eq(what, hold)), "one is lost");
    }
}

// Announcements -------------------------------------------------------------------------------------------------------

fn announce(owner: Owner, keeper: &Arc<Pending>) {
    push(owner, keeper, Role::Keeper);
}

fn announced(owner: Owner) -> usize {
    let notes = all(owner);
    notes.iter().filter(|(_, role)| matches!(role, Role::Keeper)).count()
}

/// The places of what is taken.
fn take(owner: Owner, since: Mark) -> Vec<u64> {
    let mut taken = Vec::new();
    take_since(owner, since, |what, _, _| taken.push(what.place()));
    taken
}

#[test]
fn a_note_takes_the_place_of_the_announcement_and_is_new_to_those_outside() {
    let (keeper, inside) = (hold(), hold());
    note(OWNER, &keeper);
    let since = mark();
    announce(OWNER, &keeper);
    let since_announced = mark();
    note(OWNER, &inside);
    assert_eq!(take(OWNER, since_announced), [inside.place()]);
    assert_eq!(announced(OWNER), 1, "it is being polled");
    note(OWNER, &keeper);
    assert_eq!((announced(OWNER), all(OWNER).len()), (0, 1));
    assert!(is_noted_since(since));
    assert_eq!(take(OWNER, since), [keeper.place()]);
}

#[test]
fn an_announcement_goes_with_what_was_noted_since() {
    let keeper = hold();
    let since = mark();
    announce(OWNER, &keeper);
    note(OWNER, &hold());
    assert_eq!(take(OWNER, since).len(), 1);
    assert_eq!(announced(OWNER), 0);
}

/// A coroutine has suspended in another frame in between.
#[test]
fn an_announcement_that_is_not_the_last_note_goes_when_its_keeper_is_noted_or_withdraws() {
    for is_noted in [true, false] {
        let (keeper, other) = (hold(), hold());
        let since = mark();
        announce(OWNER, &keeper);
        note(OTHER, &hold());
        announce(OTHER, &other);
        if is_noted {
            note(OWNER, &keeper);
        } else {
            withdraw(&keeper);
        }
        assert_eq!((announced(OWNER), announced(OTHER)), (0, 1));
        assert_eq!(take(OTHER, since).len(), 1);
    }
}

/// The poll in which it was announced has panicked.
#[test]
fn a_keeper_is_announced_once_and_its_note_is_new_though_an_announcement_was_left() {
    for is_last in [true, false] {
        let keeper = hold();
        announce(OWNER, &keeper);
        if !is_last {
            note(OWNER, &hold());
        }
        let since = mark();
        announce(OWNER, &keeper);
        assert_eq!(announced(OWNER), 1);
        note(OWNER, &keeper);
        assert_eq!(take(OWNER, since), [keeper.place()]);
        assert_eq!(announced(OWNER), 0);
    }
}
