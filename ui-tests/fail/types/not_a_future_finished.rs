//! Told of what is awaited, once.

use cancelable::{Cancelled, cancelable};

#[cancelable(yield_every = 3)]
async fn work() -> Result<(), Cancelled> {
    let n = 3;
    #[cancelable(finish)]
    n.await;
    while n.await {}
    Ok(())
}

fn main() {}
