//! Neither a jump nor a helper means anything in a clean-up.

use cancelable::{Cancelled, cancel_scope};

fn jumps() -> Result<u32, Cancelled> {
    loop {
        cancel_scope!(finally = { break }, { Ok::<_, Cancelled>(3) })?;
    }
}

fn marks() -> Result<u32, Cancelled> {
    cancel_scope!(finally = { #[cancelable(break)] for _ in 0..3 {} }, { Ok(3) })
}

async fn marks_with_a_limit() -> Result<u32, Cancelled> {
    cancel_scope!(
        grace = "2s",
        finally = async { #[cancelable(shield = "1s")] std::future::ready(()).await },
        async { Ok(3) }
    )
    .await
}

fn main() {}
