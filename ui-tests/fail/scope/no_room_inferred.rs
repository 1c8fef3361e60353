//! A type without room, that is not written.

use cancelable::cancel_scope;

fn main() {
    let _scope = cancel_scope!(timeout = "5s", async {
        for _ in 0..3 {}
        std::future::ready(3u32).await
    });
}
