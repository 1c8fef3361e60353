//! An option that is nearly one.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let _scope = cancel_scope!(tiemout = "5s", async || -> Result<(), Cancelled> { Ok(()) });
}
