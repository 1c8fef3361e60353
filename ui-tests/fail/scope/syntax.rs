//! Rustc's own words, or nearly.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let _scope = cancel_scope!(async { let x = ; Ok::<u32, Cancelled>(x) });
}
