//! An arm is none of the things it goes on.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    match std::future::ready(3).await {
        #[cancelable(skip)]
        3 => std::future::ready(()).await,
        _ => {}
    }
    Ok(())
}

fn main() {}
