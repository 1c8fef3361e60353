//! A future may be polled on any thread, and the host is on one.

use cancelable::{Cancelled, cancelable};

#[cancelable(asking = ("10ms", || false))]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
