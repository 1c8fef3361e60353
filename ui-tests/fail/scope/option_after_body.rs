//! The body is last.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let _scope = cancel_scope!(async || -> Result<(), Cancelled> { Ok(()) }, timeout = "5s");
}
