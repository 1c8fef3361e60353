//! Told of the expression and the type.

use cancelable::{Cancelled, cancelable};

#[cancelable]
fn work() -> Result<u32, Cancelled> {
    "three"
}

fn main() {}
