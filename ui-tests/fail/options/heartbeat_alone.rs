//! A heartbeat puts off something.

use cancelable::{Cancelled, cancelable};

#[cancelable(heartbeat, timeout = "5s")]
fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
