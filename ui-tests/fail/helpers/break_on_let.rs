//! Nothing to break out of.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    #[cancelable(break)]
    let _n = 3;
    Ok(())
}

fn main() {}
