//! A flag that is given the name.

use cancelable::{Cancelled, cancelable};

#[cancelable(scope = "work")]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
