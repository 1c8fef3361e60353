//! What goes on a scope in the function.

use cancelable::{Cancelled, cancelable};

#[cancelable(finally = async { close().await })]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

async fn close() {}

fn main() {}
