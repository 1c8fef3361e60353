//! It takes none.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let _scope = cancel_scope!(detached = true, async || -> Result<(), Cancelled> { Ok(()) });
}
