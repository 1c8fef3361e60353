//! Which alarm a token's deadline is watched by, also when two threads set two at once.

use std::panic::Location;
use std::time::{Duration, Instant};

use super::super::deadline::{Deadline, Watch};
use super::super::handle::{CancellationToken, ChildOptions};
use super::watch_by_thread;

const LONG: Duration = Duration::from_secs(60);

/// A token as a scope has it.
fn with_deadline(at: Instant, is_virtual: bool) -> CancellationToken {
    let mut deadline = Deadline::new(at, None, Location::caller());
    deadline.is_virtual = is_virtual;
    CancellationToken::never().child_with(ChildOptions {
        deadline: Some(deadline),
        ..ChildOptions::default()
    })
}

#[test]
fn the_alarm_of_a_deadline_that_has_given_way_to_an_earlier_one_is_not_kept() {
    let token = CancellationToken::new();
    let near = Instant::now() + Duration::from_millis(5);
    token.cancel_at(near);
    // As a thread does that has set a later one first, and comes to this point last.
    assert!(watch_by_thread(&token.node, near + 60 * LONG));
    assert!(token.wait_timeout(LONG));
    assert_eq!(token.deadline(), Some(near));
}

#[test]
fn without_a_closer_look_a_token_whose_deadline_is_watched_is_quiet() {
    let token = CancellationToken::new();
    token.cancel_after(LONG);
    assert!(token.is_quiet() && token.child_token().is_quiet());
    assert!(CancellationToken::any([&token]).is_quiet());
}

#[test]
fn who_makes_a_child_has_the_deadline_watched_so_that_the_child_is_quiet() {
    let token = with_deadline(Instant::now() + LONG, false);
    assert!(!token.is_quiet(), "nobody watches its deadline");
    assert!(
        token
            .own_unwatched_deadline()
            .is_some_and(|(_, is_virtual)| !is_virtual)
    );
    assert!(token.child_token().is_quiet());
    assert!(token.own_unwatched_deadline().is_none());
}

/// Whoever is linked to it is cancelled by the check points that look at that clock.
#[test]
fn a_token_that_is_linked_to_one_with_a_virtual_deadline_is_quiet() {
    let token = with_deadline(Instant::now(), true);
    let linked = CancellationToken::any([&token]);
    assert!(linked.is_quiet() && !token.is_quiet());
    assert!(!token.is_cancelled(), "there is no such clock here");
}

#[test]
fn the_wish_for_attention_spreads_to_all_who_rely_on_the_token_and_no_further() {
    let root = CancellationToken::new();
    let [token, sibling] = [root.child_token(), root.child_token()];
    let below = [token.child_token(), token.child_token().child_token()];
    let linked = CancellationToken::any([&below[1], &sibling]);
    let further = [linked.child_token(), CancellationToken::all([&linked, &root])];
    token.node.spread_attention();
    let all = below.iter().chain(&further).chain([&token, &linked]);
    assert!(all.into_iter().all(|token| token.node.state().wants_attention()));
    assert!(root.is_quiet() && sibling.is_quiet());
    // There is nothing to be seen, so that they are quiet again once they have looked.
    assert!(!linked.is_cancelled() && linked.is_quiet());
    root.cancel();
    assert!(below.iter().chain(&further).all(CancellationToken::is_cancelled));
    token.node.spread_attention();
}

fn deadline(at: Instant) -> Deadline {
    Deadline::new(at, None, Location::caller())
}

/// Is the token's deadline watched by the timer's thread?
fn is_watched(token: &CancellationToken) -> bool {
    let watched = token
        .node
        .with_extras(|extras| matches!(extras.deadline.as_ref().unwrap().watch, Watch::Thread(_)));
    watched.unwrap()
}

#[test]
fn l15_an_alarm_for_a_deadline_that_another_thread_has_replaced_is_not_taken_for_that_ones() {
    let later = Instant::now() + Duration::from_secs(7_200);
    let earlier = later - Duration::from_secs(3_600);
    let token = CancellationToken::new();
    // The one thread has put its deadline in the place of the other's, and has not armed its alarm; now that one arms its own.
    token
        .node
        .with_extras(|extras| extras.deadline = Some(deadline(earlier)));
    assert!(watch_by_thread(&token.node, later), "there is a thread");
    assert!(!is_watched(&token), "it would not be cancelled before `later`");
    assert!(watch_by_thread(&token.node, earlier), "there is a thread");
    assert!(is_watched(&token));
    // And the other way round: the alarm that is there stays.
    assert!(watch_by_thread(&token.node, later), "there is a thread");
    assert!(is_watched(&token));
    // A token that has lost its deadline with a cancel has no use for any.
    token.cancel();
    assert!(watch_by_thread(&token.node, earlier), "there is a thread");
    assert!(token.node.with_extras(|_| ()).is_none());
}
