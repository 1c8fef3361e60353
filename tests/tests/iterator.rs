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
