//! `#[async_recursion]`: either order.

use super::{run_async, turn};
use async_recursion::async_recursion;
use cancelable::{Cancelled, cancelable};

#[cancelable]
#[async_recursion]
async fn first(depth: u32) -> Result<u32, Cancelled> {
    turn(depth);
    if depth == 0 {
        Ok(0)
    } else {
        Ok(first(depth - 1).await? + 1)
    }
}

#[async_recursion]
#[cancelable]
async fn second(depth: u32) -> Result<u32, Cancelled> {
    turn(depth);
    if depth == 0 {
        Ok(0)
    } else {
        Ok(second(depth - 1).await? + 1)
    }
}

#[test]
fn either_order() {
    assert_eq!(run_async(first(2)).unwrap(), 2);
    assert!(run_async(first(5)).is_err());
    assert_eq!(run_async(second(2)).unwrap(), 2);
    assert!(run_async(second(5)).is_err());
}
