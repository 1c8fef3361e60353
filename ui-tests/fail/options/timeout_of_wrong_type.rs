//! The type checker tells.

use cancelable::{Cancelled, cancelable};

#[cancelable(timeout = "5s".len())]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
