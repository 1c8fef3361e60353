//! A body with what it has so far returns a result.

use cancelable::cancel_scope;

fn main() {
    let _ = cancel_scope!(partial = 0, |n| {
        *n += 1;
        7
    });
}
