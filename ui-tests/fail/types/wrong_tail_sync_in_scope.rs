//! Told of the expression and the type. In a scope of its own.

use cancelable::{Cancelled, cancelable};

#[cancelable(name = "work")]
fn work() -> Result<u32, Cancelled> {
    "three"
}

fn main() {}
