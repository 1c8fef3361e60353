//! An option that is nothing like one.

use cancelable::{Cancelled, cancelable};

#[cancelable(priority = 3)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
