//! Told of the semicolon.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<u32, Cancelled> {
    Ok(3);
}

fn main() {}
