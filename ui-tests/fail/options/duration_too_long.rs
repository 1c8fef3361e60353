//! More milliseconds than fit.

use cancelable::{Cancelled, cancelable};

#[cancelable(timeout = "99999999999999999h")]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
