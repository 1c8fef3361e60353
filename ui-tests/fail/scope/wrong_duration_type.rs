//! The type checker tells.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let _scope = cancel_scope!(timeout = 5u8 + 1, async || -> Result<u32, Cancelled> { Ok(3) });
}
