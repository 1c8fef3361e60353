//! The type checker tells.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let _scope = cancel_scope!(parent = 5, async || -> Result<u32, Cancelled> { Ok(3) });
}
