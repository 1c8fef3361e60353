//! A sync function has nothing that awaits.

use cancelable::{Cancelled, cancelable};

#[cancelable]
fn work() -> Result<(), Cancelled> {
    #[cancelable(shield)]
    close().await;
    Ok(())
}

async fn close() {}

fn main() {}
