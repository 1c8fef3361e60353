//! A clean-up that is async beside a body that is not, and the other way round.

use cancelable::{Cancelled, cancel_scope};

async fn close() {}

async fn asynchronous() -> Result<u32, Cancelled> {
    cancel_scope!(finally = { close().await }, async { Ok(3) }).await
}

fn synchronous() -> Result<u32, Cancelled> {
    cancel_scope!(finally = async { close().await }, { Ok(3) })
}

async fn no_block() -> Result<u32, Cancelled> {
    cancel_scope!(finally = close(), async { Ok(3) }).await
}

fn main() {}
