//! A type without room.

use cancelable::cancel_scope;

fn main() {
    let _scope = cancel_scope!(timeout = "5s", async || -> u32 {
        for _ in 0..3 {}
        std::future::ready(3).await
    });
}
