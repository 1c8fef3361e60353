//! A type without values.

use cancelable::cancelable;

#[cancelable]
fn work() -> ! {
    loop {}
}

fn main() {}
