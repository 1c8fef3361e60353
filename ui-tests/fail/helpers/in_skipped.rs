//! Already skipped.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    #[cancelable(skip)]
    for _ in 0..3 {
        #[cancelable(finish)]
        std::future::ready(()).await;
    }
    Ok(())
}

fn main() {}
