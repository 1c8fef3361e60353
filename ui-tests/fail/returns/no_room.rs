//! A type without room: one error, on the type, however many check points there are.

use cancelable::cancelable;

#[cancelable]
async fn work() -> u32 {
    for n in 0..3 {
        std::future::ready(n).await;
    }
    std::future::ready(()).await;
    3
}

fn main() {}
