//! Told of the await.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<u32, Cancelled> {
    let n: u32 = std::future::ready("three").await;
    Ok(n)
}

fn main() {}
