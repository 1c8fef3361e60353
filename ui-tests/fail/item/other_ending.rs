//! A future made elsewhere.

use cancelable::{Cancelled, cancelable};

#[cancelable]
fn work() -> impl Future<Output = Result<(), Cancelled>> {
    other()
}

async fn other() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
