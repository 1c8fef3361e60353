//! Several sources are one.

use cancelable::{Cancelled, cancelable};

#[cancelable(until = std::future::pending::<()>(), until = std::future::ready(()))]
async fn work() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
