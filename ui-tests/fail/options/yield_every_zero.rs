//! Never is not every so often.

use cancelable::{Cancelled, cancelable};

#[cancelable(yield_every = 0)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
