//! `contracts`: ours second, so that a cancel is not held to what the function promises.

use super::{run, turn};
use cancelable::{Cancelled, cancelable};
use std::panic::catch_unwind;

#[cancelable]
#[contracts::requires(turns > 0)]
#[contracts::ensures(ret.is_ok())]
fn first(turns: u32) -> Result<u32, Cancelled> {
    for n in 0..turns {
        turn(n);
    }
    Ok(turns)
}

#[contracts::requires(turns > 0)]
#[contracts::ensures(ret.is_ok())]
#[cancelable]
fn second(turns: u32) -> Result<u32, Cancelled> {
    for n in 0..turns {
        turn(n);
    }
    Ok(turns)
}

#[test]
fn ours_second() {
    assert!(run(|| second(10)).is_err());
    assert_eq!(run(|| second(2)).unwrap(), 2);
    assert!(catch_unwind(|| run(|| first(10))).is_err(), "a broken promise");
}
