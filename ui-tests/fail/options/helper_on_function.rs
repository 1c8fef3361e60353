//! A helper belongs inside.

use cancelable::{Cancelled, cancelable};

#[cancelable(skip)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
