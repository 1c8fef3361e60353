//! Would leave a closure.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    'outer: for _ in 0..3 {
        let _: Result<(), Cancelled> = cancel_scope!({
            'inner: for _ in 0..3 {
                for n in 0..3 {
                    if n == 2 {
                        continue 'inner;
                    }
                    break 'outer;
                }
            }
            Ok(())
        });
    }
}
