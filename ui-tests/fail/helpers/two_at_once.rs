//! Which one?

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    #[cancelable(skip)]
    #[cancelable(finish)]
    std::future::ready(()).await;
    Ok(())
}

fn main() {}
