//! No annotated function is round it.

use cancelable::{Cancelled, cancelable};

async fn work() -> Result<(), Cancelled> {
    #[cancelable(skip)]
    let _n = 3;
    Ok(())
}

fn main() {}
