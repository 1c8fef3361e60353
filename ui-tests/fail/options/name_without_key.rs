//! A name, and no word that it is one.

use cancelable::{Cancelled, cancelable};

#[cancelable("work")]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
