//! `#[cached]` moves the body into another function: ours first. With `result = true`, so that no cancel is kept.

use super::{run, run_async, turn};
use cached::proc_macro::cached;
use cancelable::{Cancelled, cancelable};

#[cancelable]
#[cached(result = true)]
fn first() -> Result<u32, Cancelled> {
    for n in 0..10 {
        turn(n);
    }
    Ok(10)
}

#[cancelable]
#[cached(result = true)]
async fn first_async() -> Result<u32, Cancelled> {
    for n in 0..10 {
        turn(n);
    }
    Ok(10)
}

mod told {
    #![expect(deprecated, reason = "told of")]

    use super::*;

    #[cached(result = true)]
    #[cancelable]
    pub(super) fn second() -> Result<u32, Cancelled> {
        for n in 0..10 {
            turn(n);
        }
        Ok(10)
    }
}

mod told_async {
    #![expect(deprecated, reason = "told of")]

    use super::*;

    #[cached(result = true)]
    #[cancelable]
    pub(super) async fn second() -> Result<u32, Cancelled> {
        for n in 0..10 {
            turn(n);
        }
        Ok(10)
    }
}

#[test]
fn ours_first_and_a_cancel_is_not_kept() {
    assert!(run(first).is_err());
    assert!(run_async(first_async()).is_err());
    assert_eq!(first().unwrap(), 10);
    assert_eq!(run(told::second).unwrap(), 10);
    // Seen by what keeps the result, when the loop is over.
    assert!(run_async(told_async::second()).is_err());
}
