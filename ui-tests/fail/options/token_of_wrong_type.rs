//! The type checker tells.

use cancelable::{Cancelled, cancelable};

#[cancelable(token = 5)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
