//! What is it to do?

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    #[cancelable]
    for _ in 0..3 {}
    Ok(())
}

fn main() {}
