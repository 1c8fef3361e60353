//! `#[async_backtrace::framed]` moves the body into an `async` block: ours first.

use super::{run_async, turn};
use async_backtrace::framed;
use cancelable::{Cancelled, cancelable};

#[cancelable]
#[framed]
async fn first() -> Result<u32, Cancelled> {
    for n in 0..10 {
        turn(n);
    }
    Ok(10)
}

mod told {
    #![expect(deprecated, reason = "told of")]

    use super::*;

    #[framed]
    #[cancelable]
    pub(super) async fn second() -> Result<u32, Cancelled> {
        for n in 0..10 {
            turn(n);
        }
        Ok(10)
    }
}

#[test]
fn ours_first() {
    assert!(run_async(first()).is_err());
    assert_eq!(run_async(told::second()).unwrap(), 10);
}
