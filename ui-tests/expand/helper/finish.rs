#[cancelable]
async fn finish() -> Option<u32> {
    #[cancelable(finish)]
    tx.send(1).await.ok()?;
    None
}
