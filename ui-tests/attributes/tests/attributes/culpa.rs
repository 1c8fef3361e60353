//! `#[culpa::throws]` makes the return type a `Result`: ours second, where it can see that.

use super::{run, run_async, turn, wait};
use cancelable::{Cancelled, cancelable};
use culpa::throws;

#[throws(Cancelled)]
#[cancelable]
fn second() -> u32 {
    for n in 0..10 {
        turn(n);
    }
    10
}

#[throws(Cancelled)]
#[cancelable]
async fn second_async() -> u32 {
    let mut sum = 0;
    for n in 0..10 {
        sum += wait(n).await;
    }
    sum
}

#[test]
fn ours_second() {
    assert!(run(second).is_err());
    assert!(run_async(second_async()).is_err());
}
