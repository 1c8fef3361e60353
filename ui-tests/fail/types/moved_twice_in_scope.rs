//! Told of the argument. In a scope of its own.

use cancelable::{Cancelled, cancelable};

#[cancelable(name = "work")]
async fn work(s: String) -> Result<u32, Cancelled> {
    drop(s);
    std::future::ready(()).await;
    Ok(s.len() as u32)
}

fn main() {}
