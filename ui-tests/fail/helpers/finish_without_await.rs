//! Nothing to finish.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    #[cancelable(finish)]
    for _ in 0..3 {}
    Ok(())
}

fn main() {}
