//! Only options.

use cancelable::cancel_scope;

fn main() {
    let _scope = cancel_scope!(timeout = "5s");
}
