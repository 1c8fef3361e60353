//! A type without room.

use cancelable::cancelable;

#[cancelable]
fn work() -> () {}

fn main() {}
