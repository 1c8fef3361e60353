//! A type without room, that is not written.

use cancelable::cancel_scope;

fn main() {
    let _n: u32 = cancel_scope!(timeout = "5s", {
        for _ in 0..3 {}
        3
    });
}
