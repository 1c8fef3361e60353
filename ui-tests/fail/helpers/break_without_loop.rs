//! Nothing to break out of.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    #[cancelable(break)]
    std::future::ready(()).await;
    Ok(())
}

fn main() {}
