//! What a body has so far, and a body that takes nothing.

use cancelable::{Cancelled, cancel_scope};

async fn asynchronous() -> u32 {
    cancel_scope!(partial = 3, async { Ok::<_, Cancelled>(3) }).await
}

fn synchronous() -> u32 {
    cancel_scope!(partial = 3, { Ok::<_, Cancelled>(3) })
}

fn two() -> u32 {
    cancel_scope!(partial = 3, |one, two| { Ok::<_, Cancelled>(3) })
}

fn main() {}
