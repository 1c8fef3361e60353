//! A path, not text.

use cancelable::{Cancelled, cancelable};

#[cancelable(crate = "cancelable")]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
