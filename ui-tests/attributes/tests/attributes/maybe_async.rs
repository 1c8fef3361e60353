//! `#[maybe_async]` may take the `async` and the awaits away: ours second, when they are gone.

use super::{run, run_async, turn};
use cancelable::{Cancelled, cancelable};
use maybe_async::{must_be_async, must_be_sync};

fn ready(n: u32) -> u32 {
    turn(n);
    n
}

#[must_be_sync]
#[cancelable]
async fn second_sync() -> Result<u32, Cancelled> {
    let mut sum = 0;
    for n in 0..10 {
        sum += ready(n).await;
    }
    Ok(sum)
}

#[must_be_async]
#[cancelable]
async fn second_async() -> Result<u32, Cancelled> {
    let mut sum = 0;
    for n in 0..10 {
        sum += super::wait(n).await;
    }
    Ok(sum)
}

#[test]
fn ours_second() {
    assert!(run(second_sync).is_err());
    assert!(run_async(second_async()).is_err());
}
