//! The type checker tells.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work(#[token] _token: String) -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
