use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn serve() -> Result<(), Cancelled> {
    // cancelable: allow(bare-spawn)
    //~^
    tokio::spawn(work());
    // cancelable: allow(bare-spwan) a slip //~
    tokio::spawn(work());
    Ok(())
}

async fn work() {}

// cancelable: allow(bare-spawn) nothing follows //~
