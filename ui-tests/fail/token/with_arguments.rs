//! It takes none.

use cancelable::{CancellationToken, Cancelled, cancelable};

#[cancelable]
async fn work(#[token(x)] _token: CancellationToken) -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
