//! One is enough.

use cancelable::{Cancelled, cancelable};

struct Work;

#[cancelable]
impl Work {
    #[cancelable(name = "a")]
    #[cancelable(name = "b")]
    async fn run(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

fn main() {}
