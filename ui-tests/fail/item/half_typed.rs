//! Rustc's own words, and nothing of ours.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    let x = ;
    Ok(())
}

fn main() {}
