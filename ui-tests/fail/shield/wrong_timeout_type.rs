//! A number of what?

use cancelable::{Cancelled, shield};

async fn work(millis: u64) -> Result<(), Cancelled> {
    shield!(timeout = millis, async { Ok(()) }).await
}

fn main() {}
