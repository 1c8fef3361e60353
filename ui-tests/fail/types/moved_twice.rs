//! Told of the argument.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work(s: String) -> Result<u32, Cancelled> {
    drop(s);
    std::future::ready(()).await;
    Ok(s.len() as u32)
}

fn main() {}
