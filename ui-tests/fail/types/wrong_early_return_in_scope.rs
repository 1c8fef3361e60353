//! Told of the expression and the type. In a scope of its own.

use cancelable::{Cancelled, cancelable};

#[cancelable(name = "work")]
async fn work(n: u32) -> Result<u32, Cancelled> {
    if n > 3 {
        return "three";
    }
    Ok(3)
}

fn main() {}
