//! Two deadlines that two threads set at once, and an alarm that comes too late for the one it was armed for.

use super::*;

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
    watch_by_thread(&token.node, later);
    assert!(!is_watched(&token), "it would not be cancelled before `later`");
    watch_by_thread(&token.node, earlier);
    assert!(is_watched(&token));
    // And the other way round: the alarm that is there stays.
    watch_by_thread(&token.node, later);
    assert!(is_watched(&token));
    // A token that has lost its deadline with a cancel has no use for any.
    token.cancel();
    watch_by_thread(&token.node, earlier);
    assert!(token.node.with_extras(|_| ()).is_none());
}
