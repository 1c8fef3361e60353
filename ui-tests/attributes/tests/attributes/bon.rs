//! `#[bon::builder]`: either order.

use super::{run, run_async, turn};
use bon::builder;
use cancelable::{Cancelled, cancelable};

/// Documented.
#[cancelable]
#[builder]
fn first(turns: u32) -> Result<u32, Cancelled> {
    for n in 0..turns {
        turn(n);
    }
    Ok(turns)
}

/// Documented.
#[builder]
#[cancelable]
fn second(turns: u32) -> Result<u32, Cancelled> {
    for n in 0..turns {
        turn(n);
    }
    Ok(turns)
}

#[cancelable]
#[builder]
async fn first_async(turns: u32) -> Result<u32, Cancelled> {
    for n in 0..turns {
        turn(n);
    }
    Ok(turns)
}

#[test]
fn either_order() {
    assert!(run(|| first().turns(10).call()).is_err());
    assert!(run(|| second().turns(10).call()).is_err());
    assert!(run_async(first_async().turns(10).call()).is_err());
}
