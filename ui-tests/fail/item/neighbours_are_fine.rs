//! A mistake in one function does not spoil those that call it.

use cancelable::{Cancelled, cancelable};

#[cancelable(nmae = "a")]
async fn work(#[token] token: cancelable::CancellationToken, n: u32) -> Result<u32, Cancelled> {
    #[cancelable(skip)]
    loop {
        if token.is_cancelled() {
            break;
        }
    }
    Ok(n)
}

async fn caller() -> Result<u32, Cancelled> {
    work(1).await
}

fn main() {}
