//! Told of what is awaited.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<u32, Cancelled> {
    let n = 3;
    n.await;
    Ok(n)
}

fn main() {}
