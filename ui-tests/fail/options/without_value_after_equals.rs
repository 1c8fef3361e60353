//! Half an option.

use cancelable::{Cancelled, cancelable};

#[cancelable(timeout =)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
