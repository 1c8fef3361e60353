//! A helper belongs inside.

use cancelable::{Cancelled, cancelable};

#[cancelable(finish)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
