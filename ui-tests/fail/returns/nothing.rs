//! No type at all.

use cancelable::cancelable;

#[cancelable]
async fn work() {}

fn main() {}
