//! Code that nothing reaches, and values that nobody reads, are told of as without the attribute.

#![deny(unreachable_code, unused_assignments)]

use cancelable::{Cancelled, cancelable};
use std::future::ready;

#[cancelable]
async fn an_await_behind_a_return() -> Result<u32, Cancelled> {
    return Ok(1);
    ready(()).await;
}

#[cancelable(name = "scope")]
async fn a_question_behind_a_loop() -> Result<u32, Cancelled> {
    loop {}
    ready(Ok::<u32, Cancelled>(1)).await?;
}

#[cancelable]
async fn inside_an_await() -> Result<u32, Cancelled> {
    ready(return Ok(1)).await;
    Ok(2)
}

async fn serve() -> ! {
    std::future::pending().await
}

#[cancelable(name = "scope")]
async fn behind_what_never_ends() -> Result<u32, Cancelled> {
    serve().await;
    Ok(2)
}

#[cancelable]
async fn assigned() -> Result<u32, Cancelled> {
    let mut n;
    n = ready(1).await;
    n = ready(2).await;
    Ok(n)
}

#[cancelable(name = "scope")]
async fn assigned_in_a_loop() -> Result<u32, Cancelled> {
    let mut n = 3;
    let sum = n;
    while sum > 3 {
        n = ready(1).await;
    }
    Ok(sum)
}

fn main() {}
