use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn serve() -> Result<(), Cancelled> {
    fetch().await
}

async fn fetch() -> Result<(), Cancelled> { //~
    tokio::task::yield_now().await;
    Ok(())
}
