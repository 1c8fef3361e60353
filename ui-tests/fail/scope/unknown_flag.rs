//! A word that is no option.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let _scope = cancel_scope!(detatched, async || -> Result<(), Cancelled> { Ok(()) });
}
