//! Not a function, but it may have some.

use cancelable::cancelable;

#[cancelable]
mod work {}

fn main() {}
