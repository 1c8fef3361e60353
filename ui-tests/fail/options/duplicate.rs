//! The same option twice.

use cancelable::{Cancelled, cancelable};

#[cancelable(name = "a", timeout = "5s", name = "b")]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
