//! Would leave a future.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    for _ in 0..3 {
        let _scope = cancel_scope!(timeout = "5s", async || -> Result<(), Cancelled> {
            for n in 0..3 {
                if n == 2 {
                    break;
                }
            }
            continue;
        });
    }
}
