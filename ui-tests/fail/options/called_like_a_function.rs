//! Parentheses in place of `=`.

use cancelable::{Cancelled, cancelable};

#[cancelable(timeout("5s"))]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
