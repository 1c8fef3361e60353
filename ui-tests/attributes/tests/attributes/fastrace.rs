//! `#[fastrace::trace]` moves the body of an `async fn` into an `async` block: ours first.

use super::{run, run_async, turn};
use cancelable::{Cancelled, cancelable};
use fastrace::trace;

#[cancelable]
#[trace]
async fn first() -> Result<u32, Cancelled> {
    for n in 0..10 {
        turn(n);
    }
    Ok(10)
}

mod told {
    #![expect(deprecated, reason = "told of")]

    use super::*;

    #[trace]
    #[cancelable]
    pub(super) async fn second() -> Result<u32, Cancelled> {
        for n in 0..10 {
            turn(n);
        }
        Ok(10)
    }
}

#[trace]
#[cancelable]
fn sync() -> Result<u32, Cancelled> {
    for n in 0..10 {
        turn(n);
    }
    Ok(10)
}

#[test]
fn ours_first() {
    assert!(run_async(first()).is_err());
    assert!(run(sync).is_err());
    assert_eq!(run_async(told::second()).unwrap(), 10);
}
