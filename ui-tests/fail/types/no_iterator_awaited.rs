use cancelable::{Cancelled, cancelable};

async fn count() -> u32 {
    3
}

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    for _ in count().await {}
    Ok(())
}

fn main() {
    let _ = work();
}
