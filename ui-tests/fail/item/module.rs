//! A module in which an `async` function cannot be cancelable. The others are.

use cancelable::{Cancelled, cancelable};

#[cancelable]
mod work {
    use super::Cancelled;

    pub async fn close() {}

    pub fn run() -> Result<(), Cancelled> {
        Ok(())
    }
}

fn main() {
    let _ = work::run();
    let _ = work::close();
}
