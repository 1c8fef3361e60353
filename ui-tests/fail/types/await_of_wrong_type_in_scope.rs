//! Told of the await. In a scope of its own.

use cancelable::{Cancelled, cancelable};

#[cancelable(name = "work")]
async fn work() -> Result<u32, Cancelled> {
    let n: u32 = std::future::ready("three").await;
    Ok(n)
}

fn main() {}
