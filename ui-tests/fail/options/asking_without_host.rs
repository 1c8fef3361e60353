//! How often is not enough, and neither is whom.

use cancelable::{Cancelled, cancelable};

#[cancelable(asking = "10ms")]
fn often() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(asking = (10, || false))]
fn whom() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
