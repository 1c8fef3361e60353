//! `#[tracing::instrument]`: either order.

use super::{run, run_async, turn, wait};
use cancelable::{Cancelled, cancelable};
use tracing::instrument;

#[cancelable]
#[instrument(err)]
async fn first() -> Result<u32, Cancelled> {
    let mut n = 0;
    while n < 10 {
        n += wait(n).await.min(0) + 1;
    }
    Ok(n)
}

#[instrument(err)]
#[cancelable]
async fn second() -> Result<u32, Cancelled> {
    let mut n = 0;
    while n < 10 {
        turn(n);
        n += 1;
    }
    Ok(n)
}

#[instrument(ret)]
#[cancelable]
fn sync() -> Result<u32, Cancelled> {
    for n in 0..10 {
        turn(n);
    }
    Ok(10)
}

#[test]
fn either_order() {
    assert!(run_async(first()).is_err());
    assert!(run_async(second()).is_err());
    assert!(run(sync).is_err());
}
