//! Told of the semicolon. In a scope of its own.

use cancelable::{Cancelled, cancelable};

#[cancelable(name = "work")]
fn work() -> Result<u32, Cancelled> {
    Ok(3);
}

fn main() {}
