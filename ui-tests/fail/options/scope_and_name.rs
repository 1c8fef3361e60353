//! Two names for one scope.

use cancelable::{Cancelled, cancelable};

#[cancelable(scope, name = "work")]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
