//! Only an async function can give way.

use cancelable::{Cancelled, cancelable};

#[cancelable(yield_every = 64)]
fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
