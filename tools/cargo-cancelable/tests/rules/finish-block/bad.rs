use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn send(sink: &mut Sink) -> Result<(), Cancelled> {
    #[cancelable(finish)] //~
    {
        sink.write(1).await;
        sink.flush().await;
    }
    #[cancelable(finish)] //~
    let _both = (sink.write(2).await, sink.write(3).await);
    Ok(())
}
