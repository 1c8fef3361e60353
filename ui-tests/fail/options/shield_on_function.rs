//! What goes on a statement in the function.

use cancelable::{Cancelled, cancelable};

#[cancelable(shield)]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
