//! The type checker tells.

use cancelable::cancelable;

#[cancelable(or = "none")]
async fn work() -> u32 {
    3
}

fn main() {}
