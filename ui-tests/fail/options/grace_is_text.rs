//! A variable that holds what only a literal may say.

use cancelable::{Cancelled, cancelable};

#[cancelable(timeout = "5s", grace = grace)]
async fn work(grace: &str) -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
