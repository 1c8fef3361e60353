//! Told of the await. In a scope of its own.

use cancelable::{Cancelled, cancelable};

#[cancelable(name = "work")]
fn work() -> Result<u32, Cancelled> {
    Ok(std::future::ready(3).await)
}

fn main() {}
