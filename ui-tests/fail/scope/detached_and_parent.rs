//! One or the other.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let token = cancelable::CancellationToken::new();
    let _scope = cancel_scope!(parent = &token, detached, async || -> Result<(), Cancelled> { Ok(()) });
}
