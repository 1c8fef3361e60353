//! The output of a future.

use cancelable::cancelable;

#[cancelable]
fn work() -> impl Future<Output = u32> {
    async {
        std::future::ready(()).await;
        3
    }
}

fn main() {}
