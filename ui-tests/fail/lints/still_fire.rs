//! The user's own mistakes are still told of: what is allowed is allowed for generated statements only.

#![deny(unused)]

use cancelable::{Cancelled, cancelable};

async fn work() -> Result<u32, Cancelled> {
    Ok(3)
}

async fn nested() -> Result<Result<u32, Cancelled>, Cancelled> {
    Ok(Ok(3))
}

#[cancelable]
async fn in_place(argument: u32, mut list: Vec<u32>) -> Result<u32, Cancelled> {
    let variable = 3;
    work().await;
    nested().await?;
    for n in list {
        work().await?;
    }
    return Ok(4);
    work().await
}

#[cancelable(name = "scope", every = 2)]
async fn in_scope(argument: u32, mut list: Vec<u32>) -> Result<u32, Cancelled> {
    let variable = 3;
    work().await;
    for n in list {
        work().await?;
    }
    return Ok(4);
    work().await
}

#[cancelable(name = "scope")]
fn in_sync_scope(argument: u32, mut list: Vec<u32>) -> Result<u32, Cancelled> {
    let variable = 3;
    cancelable::check();
    return Ok(4);
    Ok(3)
}

#[cancelable(or = 3)]
fn or(argument: u32, mut list: Vec<u32>) -> u32 {
    let variable = 3;
    cancelable::check();
    3
}

fn main() {
    let _ = (in_macros(), in_place(1, vec![]), in_scope(1, vec![]), in_sync_scope(1, vec![]), or(1, vec![]));
    let _ = async { in_place(1, vec![]).await };
}

#[cancelable]
fn never_called() -> Result<(), Cancelled> {
    Ok(())
}

#[cancelable]
async fn in_macros() -> Result<(), Cancelled> {
    tokio::try_join!(work(), work());
    tokio::select! {
        n = work() => n,
    };
    Ok(())
}
