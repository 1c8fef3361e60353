//! Not a function, but it may have some.

use cancelable::{Cancelled, cancelable};

#[cancelable]
trait Work {
    fn work(&self) -> Result<(), Cancelled>;
}

fn main() {}
