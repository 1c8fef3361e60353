//! There is nothing to put check points in.

use cancelable::{Cancelled, cancelable};

trait Work {
    #[cancelable]
    fn work(&self) -> Result<(), Cancelled>;
}

fn main() {}
