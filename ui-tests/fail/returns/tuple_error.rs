//! An error type that is nobody's own.

use cancelable::cancelable;

#[cancelable]
async fn work() -> Result<u32, (u16, String)> {
    Ok(std::future::ready(3).await)
}

fn main() {}
