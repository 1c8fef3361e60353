//! <https://rust-exercises.com/100-exercises/08_futures/05_blocking>: a computation in a task keeps the runtime's thread. The loop is in an
//! `async` block, where the attribute puts no check points.

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn as_told() -> Result<u64, Cancelled> {
    let sum = cancelable::tokio::spawn(async {
        let mut sum = 0_u64;
        for n in 0..1_000_000_000_u64 { //~ out-of-reach
            sum = sum.wrapping_add(n * n);
        }
        sum
    });
    Ok(sum.await.unwrap_or(0))
}

#[cancelable]
async fn mended() -> Result<u64, Cancelled> {
    cancelable::tokio::spawn(squares()).await.unwrap_or(Ok(0))
}

#[cancelable(yield_every = 64)]
async fn squares() -> Result<u64, Cancelled> {
    let mut sum = 0_u64;
    for n in 0..1_000_000_000_u64 {
        sum = sum.wrapping_add(n * n);
    }
    Ok(sum)
}
