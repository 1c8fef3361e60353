//! A future may be polled on any thread, and the host is on one.

use cancelable::{Cancelled, cancel_scope};

fn main() {
    let _scope = cancel_scope!(asking = ("10ms", || false), async || -> Result<(), Cancelled> { Ok(()) });
}
