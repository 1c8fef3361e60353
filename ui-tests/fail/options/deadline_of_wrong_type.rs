//! The type checker tells.

use cancelable::{Cancelled, cancelable};
use std::time::Duration;

#[cancelable(deadline = later)]
async fn work(later: Duration) -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
