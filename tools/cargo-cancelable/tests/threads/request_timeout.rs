//! <https://github.com/qoollo/bob/issues/768>: what a request has spawned is not ended by the request's timeout.

use cancelable::{Cancelled, cancelable};

async fn put_on(_node: usize) {
    tokio::task::yield_now().await;
}

#[cancelable(timeout = "5s")]
async fn put(nodes: usize) -> Result<(), Cancelled> {
    let mut tasks = Vec::new();
    for node in 0..nodes {
        tasks.push(tokio::spawn(put_on(node))); //~ bare-spawn
    }
    for task in tasks {
        let _ = task.await;
    }
    Ok(())
}

#[cancelable(timeout = "5s")]
async fn mended(nodes: usize) -> Result<(), Cancelled> {
    cancelable::tokio::TaskGroup::run(async |group| {
        for node in 0..nodes {
            group.spawn(async move {
                put_on(node).await;
                Ok::<(), Cancelled>(())
            });
        }
        Ok(())
    })
    .await
}
