//! A token is shared.

use cancelable::{CancellationToken, Cancelled, cancelable};

#[cancelable]
async fn work(#[token] _token: &mut CancellationToken) -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
