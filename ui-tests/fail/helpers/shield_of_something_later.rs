//! What runs elsewhere, or never.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work(n: u32) -> Result<(), Cancelled> {
    #[cancelable(shield)]
    let closing = async { close(n).await };
    #[cancelable(shield)]
    let close_it = || close(n);
    #[cancelable(shield)]
    let later;
    later = close_it();
    closing.await;
    later.await;
    Ok(())
}

async fn close(_: u32) {}

fn main() {}
