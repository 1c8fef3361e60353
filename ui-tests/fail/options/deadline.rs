//! There is no such option on the attribute.

use cancelable::{Cancelled, cancelable};

#[cancelable(deadline = later())]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
