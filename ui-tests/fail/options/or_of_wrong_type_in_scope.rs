//! The type checker tells.

use cancelable::cancelable;

#[cancelable(or = "none", name = "work")]
async fn work() -> u32 {
    3
}

fn main() {}
