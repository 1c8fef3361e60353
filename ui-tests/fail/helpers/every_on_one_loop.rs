//! `every` on a loop: each mistake is told of on its word.

use cancelable::{Cancelled, cancelable};

#[cancelable]
fn zero() -> Result<(), Cancelled> {
    #[cancelable(every = 0)]
    for _ in 0..3 {}
    Ok(())
}

#[cancelable]
fn nothing() -> Result<(), Cancelled> {
    #[cancelable(every)]
    for _ in 0..3 {}
    Ok(())
}

#[cancelable]
fn no_loop() -> Result<(), Cancelled> {
    #[cancelable(every = 8)]
    zero()?;
    #[cancelable(every = 8)]
    let _nothing = nothing()?;
    Ok(())
}

#[cancelable]
fn with_skip() -> Result<(), Cancelled> {
    #[cancelable(skip, every = 8)]
    for _ in 0..3 {}
    Ok(())
}

fn main() {}
