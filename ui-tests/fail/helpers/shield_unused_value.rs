//! A value that has to be used is told of as it would be without the mark.

#![deny(unused_must_use)]

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<u32, Cancelled> {
    #[cancelable(shield)]
    close().await;
    Ok(1)
}

async fn close() -> Result<u32, Cancelled> {
    Ok(3)
}

fn main() {}
