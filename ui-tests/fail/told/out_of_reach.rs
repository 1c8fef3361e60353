//! Functions that a cancel would not end. Only a warning, unless such are denied.

#![deny(warnings)]

use cancelable::{Cancelled, cancelable};

#[cancelable]
fn in_a_closure(numbers: &[u32]) -> Result<u32, Cancelled> {
    Ok(numbers.iter().map(|n| { let mut m = *n; while m > 1 { m /= 2; } m }).sum())
}

#[cancelable]
async fn in_a_block() -> Result<(), Cancelled> {
    let future = async { std::future::ready(()).await };
    drop(future);
    Ok(())
}

async fn traced<F: Future>(future: F) -> F::Output {
    future.await
}

#[cancelable]
async fn in_what_is_awaited_at_the_end() -> Result<u32, Cancelled> {
    traced(async move {
        let mut sum = 0;
        for n in 0..10 {
            sum += n;
        }
        Ok(sum)
    })
    .await
}

macro_rules! retry {
    ($times:expr, $body:block) => {
        $body
    };
}

#[cancelable]
fn in_a_macro() -> Result<(), Cancelled> {
    retry!(3, { for _ in 0..3 {} });
    Ok(())
}

fn main() {}
