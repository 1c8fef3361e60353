//! Told of the expression and the type.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let _scope = cancel_scope!(timeout = "5s", async || -> Result<u32, Cancelled> { "three" });
}
