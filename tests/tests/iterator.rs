//! `IteratorExt::until_cancelled`.

use cancelable::{CancellationToken, Cancelled, IteratorExt as _, shield_sync};

/// Gives 1, 2, … and cancels when it has given `last`.
fn cancelling(token: &CancellationToken, last: u32) -> impl Iterator<Item = u32> {
    let token = token.clone();
    (1..).inspect(move |n| {
        if *n == last {
            token.cancel();
        }
    })
}

#[test]
fn without_a_token_every_item_comes() {
    let all: Result<Vec<u32>, Cancelled> = (1..4).until_cancelled().collect();
    assert_eq!(all.unwrap(), [1, 2, 3]);
}

#[test]
fn a_cancel_is_an_error_and_not_the_end() {
    let token = CancellationToken::new();
    let collected: Result<Vec<u32>, Cancelled> = token.sync_scope(|| cancelling(&token, 3).until_cancelled().collect());
    assert!(collected.is_err());
}

#[test]
fn after_the_error_there_is_nothing_for_ever() {
    let token = CancellationToken::new();
    token.sync_scope(|| {
        let mut numbers = cancelling(&token, 2).until_cancelled();
        assert_eq!(numbers.by_ref().flatten().collect::<Vec<_>>(), [1, 2]);
        assert!(numbers.next().is_none());
        assert_eq!(numbers.size_hint(), (0, Some(0)));
    });
    // Nor where there is no token.
    let mut one = [1].into_iter().until_cancelled();
    token.sync_scope(|| assert!(one.next().unwrap().is_err()));
    assert!(one.next().is_none());
}

#[test]
fn one_says_how_much_may_come_and_that_an_error_may_come_first() {
    let mut numbers = [1, 2, 3].into_iter().until_cancelled();
    assert_eq!(numbers.size_hint(), (1, Some(3)));
    assert_eq!(numbers.by_ref().count(), 3);
    assert_eq!(numbers.size_hint(), (0, Some(0)));
    assert_eq!([0; 0].into_iter().until_cancelled().size_hint(), (0, Some(0)));
    assert_eq!((1_u64..).until_cancelled().size_hint(), (1, None));
}

#[test]
fn l22_the_item_that_the_error_came_in_place_of_is_still_inside() {
    let token = CancellationToken::new();
    let mut jobs = vec![1, 2, 3, 4].into_iter().until_cancelled();
    token.sync_scope(|| {
        assert_eq!(jobs.next().unwrap().unwrap(), 1);
        assert_eq!(jobs.next_back().unwrap().unwrap(), 4);
        token.cancel();
        assert!(jobs.next_back().unwrap().is_err());
    });
    assert_eq!(jobs.into_inner().as_slice(), [2, 3]);
}

#[test]
fn l22_one_with_nothing_left_ends_as_it_would_have() {
    let token = CancellationToken::new();
    let collected: Result<Vec<u32>, Cancelled> = token.sync_scope(|| {
        let numbers = (1..4).inspect(|n| {
            if *n == 3 {
                token.cancel();
            }
        });
        numbers.until_cancelled().collect()
    });
    assert_eq!(collected.unwrap(), [1, 2, 3]);
}

#[test]
fn in_a_shield_it_goes_on() {
    let token = CancellationToken::new();
    token.cancel();
    let sum: Result<u32, Cancelled> = token.sync_scope(|| shield_sync(|| (1..4).until_cancelled().sum()));
    assert_eq!(sum.unwrap(), 6);
}

#[test]
fn the_error_names_the_line_of_the_call() {
    let token = CancellationToken::new();
    token.cancel();
    let line = line!() + 1;
    let error = token.sync_scope(|| (1..4).until_cancelled().next().unwrap().unwrap_err());
    assert_eq!(
        (error.observed_at().file(), error.observed_at().line()),
        (file!(), line)
    );
}

// Just the end -------------------------------------------------------------------------------------------------------

#[test]
fn l22_one_that_just_ends_keeps_what_it_has_not_given_and_says_why() {
    let token = CancellationToken::new();
    let mut jobs = vec![1, 2, 3, 4].into_iter().take_until_cancelled();
    token.sync_scope(|| {
        assert_eq!(jobs.next(), Some(1));
        assert_eq!(jobs.next_back(), Some(4));
        assert!(jobs.cancelled().is_none());
        token.cancel_with("enough");
        assert_eq!((jobs.next(), jobs.next_back(), jobs.next()), (None, None, None));
    });
    assert_eq!(jobs.size_hint(), (0, Some(0)));
    assert_eq!(jobs.cancelled().unwrap().reason().to_string(), "enough");
    assert_eq!(jobs.into_inner().as_slice(), [2, 3]);
}

#[test]
fn l22_one_that_has_come_to_its_end_was_not_cut() {
    let token = CancellationToken::new();
    token.sync_scope(|| {
        let mut numbers = cancelling(&token, 3).take(3).take_until_cancelled();
        assert_eq!(numbers.by_ref().collect::<Vec<_>>(), [1, 2, 3]);
        assert!(numbers.cancelled().is_none());
    });
}

// In pieces -----------------------------------------------------------------------------------------------------------

/// How many items come after the cancel, which is that of the `at`th.
fn too_many(every: usize, at: u32, go_through: impl FnOnce(&mut dyn Iterator<Item = u32>, usize) -> u32) -> u32 {
    let token = CancellationToken::new();
    let mut numbers = cancelling(&token, at);
    token.sync_scope(|| go_through(&mut numbers, every)) - at
}

#[test]
fn every_n_items_it_is_asked_and_not_in_between_however_it_is_gone_through() {
    let by_next = |numbers: &mut dyn Iterator<Item = u32>, every| {
        let mut last = 0;
        for number in numbers.until_cancelled().every(every) {
            match number {
                Ok(number) => last = number,
                Err(_) => return last,
            }
        }
        panic!("the error comes last")
    };
    let by_fold = |numbers: &mut dyn Iterator<Item = u32>, every| {
        let (mut last, mut errors) = (0, 0);
        numbers.until_cancelled().every(every).for_each(|number| match number {
            Ok(number) => last = number,
            Err(_) => errors += 1,
        });
        assert_eq!(errors, 1);
        last
    };
    let silently = |numbers: &mut dyn Iterator<Item = u32>, every| {
        numbers.take_until_cancelled().every(every).fold(0, |_, number| number)
    };
    let half_by_next = |numbers: &mut dyn Iterator<Item = u32>, every| {
        let mut numbers = numbers.take_until_cancelled().every(every);
        numbers.next();
        numbers.fold(1, |_, number| number)
    };
    type Way = fn(&mut dyn Iterator<Item = u32>, usize) -> u32;
    let ways: [Way; 4] = [by_next, by_fold, silently, half_by_next];
    for way in ways {
        assert_eq!(too_many(1, 7, way), 0);
        assert_eq!(too_many(0, 7, way), 0, "0 counts as 1");
        assert_eq!(too_many(10, 7, way), 3);
        assert_eq!(too_many(10, 10, way), 0);
        assert_eq!(too_many(10, 11, way), 9);
    }
}

#[test]
fn in_pieces_it_ends_where_the_iterator_does_and_stays_there() {
    for every in [1, 2, 3, 4, usize::MAX] {
        let mut numbers = (1..4).until_cancelled().every(every);
        assert_eq!(numbers.by_ref().map(Result::unwrap).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(numbers.next().is_none());
        assert_eq!((1..4).take_until_cancelled().every(every).sum::<u32>(), 6);
        assert_eq!((1..4).until_cancelled().every(every).count(), 3);
    }
}

#[test]
fn one_that_is_over_gives_nothing_to_whoever_takes_the_rest() {
    let token = CancellationToken::new();
    token.sync_scope(|| {
        let mut numbers = cancelling(&token, 2).until_cancelled();
        assert_eq!(numbers.by_ref().filter_map(Result::ok).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(numbers.fold(0, |n, _| n + 1), 0);
    });
    // One whose error has been taken stays over also where nothing is cancelled.
    let mut one = [1, 2].into_iter().take_until_cancelled();
    token.sync_scope(|| assert!(one.next().is_none()));
    assert_eq!(one.count(), 0);
}
