//! An error type that cannot say "cancelled".

use cancelable::cancelable;

struct MyError;

#[cancelable]
async fn work() -> Result<u32, MyError> {
    for n in 0..3 {
        std::future::ready(n).await;
    }
    Ok(std::future::ready(3).await)
}

fn main() {}
