//! A loop that only a `return` ends has no end for a cancel to take.

use cancelable::{Cancelled, cancelable};

#[cancelable]
fn work(n: u32) -> Result<u32, Cancelled> {
    #[cancelable(break)]
    loop {
        if n > 3 {
            return Ok(n);
        }
    }
}

fn main() {}
