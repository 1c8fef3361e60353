//! Would leave a closure.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    for _ in 0..3 {
        let _: Result<(), Cancelled> = cancel_scope!(timeout = "5s", {
            break;
        });
    }
}
