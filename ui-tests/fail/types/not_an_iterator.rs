//! Told of what is gone through.

use cancelable::{Cancelled, cancelable};

#[cancelable(every = 8)]
fn work(n: u32) -> Result<(), Cancelled> {
    for _ in n {}
    Ok(())
}

fn main() {}
