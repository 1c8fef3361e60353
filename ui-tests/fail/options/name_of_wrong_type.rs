//! The type checker tells.

use cancelable::{Cancelled, cancelable};

#[cancelable(name = 5)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
