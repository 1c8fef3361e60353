//! Limits that are none.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn no_unit() -> Result<(), Cancelled> {
    #[cancelable(shield = 2)]
    close().await;
    Ok(())
}

#[cancelable]
async fn no_duration(millis: u64) -> Result<(), Cancelled> {
    #[cancelable(shield = millis)]
    close().await;
    Ok(())
}

async fn close() {}

fn main() {}
