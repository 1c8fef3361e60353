use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn send(sink: &mut Sink, again: bool) -> Result<(), Cancelled> {
    #[cancelable(finish)]
    sink.write(1).await;
    // One await, as a whole.
    #[cancelable(finish)]
    async {
        sink.write(1).await;
        sink.flush().await;
    }
    .await;
    // One of the two.
    #[cancelable(finish)]
    if again {
        sink.write(1).await;
    } else {
        sink.flush().await;
    }
    Ok(())
}
