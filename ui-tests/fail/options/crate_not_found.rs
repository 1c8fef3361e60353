//! A path that leads nowhere.

use cancelable::{Cancelled, cancelable};

#[cancelable(crate = nowhere)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
