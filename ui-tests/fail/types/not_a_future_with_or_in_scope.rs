//! Told of what is awaited, once. In a scope of its own, with something else to return.

use cancelable::cancelable;

#[cancelable(name = "work", or = 0)]
async fn work() -> u32 {
    let n = 3;
    n.await
}

fn main() {}
