//! A body, not a future.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    async fn work() -> Result<(), Cancelled> {
        Ok(())
    }
    let _scope = cancel_scope!(timeout = "5s", work());
}
