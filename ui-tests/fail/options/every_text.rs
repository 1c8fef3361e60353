//! A number, not text.

use cancelable::{Cancelled, cancelable};

#[cancelable(every = "10")]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
