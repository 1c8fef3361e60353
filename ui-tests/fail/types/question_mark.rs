//! Told of the `?`.

use cancelable::{Cancelled, cancelable};

struct Other;

#[cancelable]
async fn work(s: Result<u32, Other>) -> Result<u32, Cancelled> {
    let n = s?;
    Ok(n)
}

fn main() {}
