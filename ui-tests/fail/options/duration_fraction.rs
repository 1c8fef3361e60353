//! Only whole numbers.

use cancelable::{Cancelled, cancelable};

#[cancelable(grace = "1.5s")]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
