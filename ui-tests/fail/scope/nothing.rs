//! Nothing at all.

use cancelable::cancel_scope;

fn main() {
    let _scope = cancel_scope!();
}
