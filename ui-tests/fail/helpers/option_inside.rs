//! Options are for functions and scopes.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    #[cancelable(timeout = "5s")]
    std::future::ready(()).await;
    Ok(())
}

fn main() {}
