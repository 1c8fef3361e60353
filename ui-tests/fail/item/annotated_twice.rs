//! Two attributes on one function.

use cancelable::{Cancelled, cancelable};

#[cancelable]
#[cancelable(every = 8)]
fn work() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable(or = 0)]
#[cancelable]
fn count() -> u32 {
    3
}

#[cancelable(timeout = "5s")]
#[cancelable]
async fn wait() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
