//! It names a new variable.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let other = cancelable::CancellationToken::new();
    let _scope = cancel_scope!(token = &other, async || -> Result<(), Cancelled> { Ok(()) });
}
