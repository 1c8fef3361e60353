use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn serve() -> Result<(), Cancelled> {
    fetch().await?;
    count().await;
    Ok(())
}

#[cancelable]
async fn fetch() -> Result<(), Cancelled> {
    tokio::task::yield_now().await;
    Ok(())
}

// Its type has no room for a cancel.
async fn count() -> usize {
    tokio::task::yield_now().await;
    1
}
