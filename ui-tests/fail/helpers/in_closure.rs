//! Closures are left alone as it is.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    let closure = || {
        #[cancelable(skip)]
        for _ in 0..3 {}
    };
    closure();
    Ok(())
}

fn main() {}
