//! Told of the await.

use cancelable::{Cancelled, cancelable};

#[cancelable]
fn work() -> Result<u32, Cancelled> {
    Ok(std::future::ready(3).await)
}

fn main() {}
