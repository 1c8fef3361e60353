//! The token is the function's own.

use cancelable::{CancellationToken, Cancelled, cancelable};

#[cancelable]
async fn work(#[token] _token: &'static CancellationToken) -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
