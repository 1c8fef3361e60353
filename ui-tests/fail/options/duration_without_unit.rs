//! A number of what?

use cancelable::{Cancelled, cancelable};

#[cancelable(timeout = 5)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
