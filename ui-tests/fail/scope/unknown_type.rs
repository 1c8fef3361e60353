//! A type that nothing tells.

use cancelable::cancel_scope;

fn main() {
    let _scope = cancel_scope!(timeout = "5s", async {
        std::future::ready(3).await;
        Ok(3)
    });
}
