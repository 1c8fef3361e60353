//! Told of once, not once a method.

use cancelable::{Cancelled, cancelable};

struct Work;

#[cancelable(nmae = "a")]
impl Work {
    async fn run(&self) -> Result<(), Cancelled> {
        #[cancelable(skip)]
        std::future::ready(()).await;
        Ok(())
    }

    async fn stop(&self) -> Result<(), Cancelled> {
        Ok(())
    }
}

fn main() {}
