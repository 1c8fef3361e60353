//! The forgotten `?`: a source is no `Result` of one.

use cancelable::{Cancelled, cancelable, condition};
use std::time::Duration;

#[cancelable(until = Ok::<_, Cancelled>(condition(Duration::from_millis(1), || true)))]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
