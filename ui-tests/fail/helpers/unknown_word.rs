//! A word that is nearly one.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    #[cancelable(finsih)]
    std::future::ready(()).await;
    Ok(())
}

fn main() {}
