//! A unit that there is not.

use cancelable::{Cancelled, cancelable};

#[cancelable(timeout = "5 sec")]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
