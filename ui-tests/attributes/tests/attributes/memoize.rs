//! `#[memoize]` keeps whatever is returned, a cancel too: in neither order are they of use together.

use super::{run, turn};
use cancelable::cancelable;
use memoize::memoize;

#[cancelable]
#[memoize]
fn first() -> Option<u32> {
    for n in 0..10 {
        turn(n);
    }
    Some(10)
}

#[memoize]
#[cancelable]
fn second() -> Option<u32> {
    for n in 0..10 {
        turn(n);
    }
    Some(10)
}

#[test]
fn in_either_order_the_cancel_is_kept() {
    assert_eq!(run(first), None);
    assert_eq!(run(second), None);
    // Nobody cancels these.
    assert_eq!(first(), None);
    assert_eq!(second(), None);
}
