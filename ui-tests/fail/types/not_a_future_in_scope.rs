//! Told of what is awaited. In a scope of its own.

use cancelable::{Cancelled, cancelable};

#[cancelable(name = "work")]
async fn work() -> Result<u32, Cancelled> {
    let n = 3;
    n.await;
    Ok(n)
}

fn main() {}
