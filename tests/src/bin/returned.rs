//! A program whose `main` returns the error: what does a person read?

use cancelable::{Cancelled, cancelable};

#[cancelable(name = "count", timeout = "5ms")]
fn count() -> Result<(), Cancelled> {
    loop {}
}

fn main() -> Result<(), Cancelled> {
    count()
}
