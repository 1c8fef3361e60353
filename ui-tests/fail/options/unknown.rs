//! An option that is nearly one.

use cancelable::{Cancelled, cancelable};

#[cancelable(timeuot = "5s")]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
