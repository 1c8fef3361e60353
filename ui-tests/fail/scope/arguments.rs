//! The token is an option.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let _scope = cancel_scope!(async |token| -> Result<(), Cancelled> { Ok(()) });
}
