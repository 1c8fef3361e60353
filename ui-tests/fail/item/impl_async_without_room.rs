//! An `async` method in a cancelable `impl` that cannot be cancelable.

use cancelable::cancelable;

struct Work;

#[cancelable]
impl Work {
    async fn run(&self) -> u32 {
        3
    }

    async fn close(&self) {}

    fn len(&self) -> usize {
        0
    }
}

fn main() {}
