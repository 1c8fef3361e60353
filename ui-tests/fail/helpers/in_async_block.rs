//! So are `async` blocks.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    let block = async {
        #[cancelable(finish)]
        std::future::ready(()).await;
    };
    block.await;
    Ok(())
}

fn main() {}
