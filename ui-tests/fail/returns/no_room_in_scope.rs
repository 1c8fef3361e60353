//! The same in a scope of its own.

use cancelable::cancelable;

#[cancelable(name = "work")]
async fn work() -> u32 {
    for n in 0..3 {
        std::future::ready(n).await;
    }
    3
}

#[cancelable(name = "work")]
fn work_sync() -> u32 {
    for _ in 0..3 {}
    3
}

fn main() {}
