//! An option of scopes.

use cancelable::{Cancelled, cancelable};

#[cancelable(partial = Vec::new())]
fn rows() -> Result<(), Cancelled> {
    Ok(())
}

fn main() {}
