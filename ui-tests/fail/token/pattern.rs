//! One variable.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work(#[token] (token, _): (cancelable::CancellationToken, u32)) -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
