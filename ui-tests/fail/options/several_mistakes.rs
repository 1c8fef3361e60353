//! Each is told of, in one build.

use cancelable::{Cancelled, cancelable};

#[cancelable(timeuot = "5s", every = 0, name)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
