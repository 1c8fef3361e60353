//! A type that nobody knows.

use cancelable::cancelable;

#[cancelable]
fn work() -> impl Iterator<Item = u32> {
    0..3
}

fn main() {}
