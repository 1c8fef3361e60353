//! `self` is passed.

use cancelable::{Cancelled, cancelable};

struct Work;

impl Work {
    #[cancelable]
    async fn work(#[token] &self) -> Result<(), Cancelled> {
        Ok(())
    }
}

fn main() {}
