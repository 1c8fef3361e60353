//! Not a function.

use cancelable::cancelable;

#[cancelable]
struct Work;

fn main() {}
