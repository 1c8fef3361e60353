//! Told of the `?`. In a scope of its own.

use cancelable::{Cancelled, cancelable};

struct Other;

#[cancelable(name = "work")]
async fn work(s: Result<u32, Other>) -> Result<u32, Cancelled> {
    let n = s?;
    Ok(n)
}

fn main() {}
