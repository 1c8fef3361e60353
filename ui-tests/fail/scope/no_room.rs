//! A type without room.

use cancelable::cancel_scope;

fn main() {
    let _n: u32 = cancel_scope!(timeout = "5s", || -> u32 { for _ in 0..3 {} 3 });
}
