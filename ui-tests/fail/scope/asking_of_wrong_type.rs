//! A host says yes, no, or an error.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let _ = cancel_scope!(asking = ("10ms", || 7), { Ok::<_, Cancelled>(()) });
}
