//! Runs where there are no tokens.

use cancelable::{Cancelled, cancelable};

#[cancelable]
const fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
