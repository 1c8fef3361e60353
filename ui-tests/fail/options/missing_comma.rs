//! No comma between two options.

use cancelable::{Cancelled, cancelable};

#[cancelable(name = "a" timeout = "5s")]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
