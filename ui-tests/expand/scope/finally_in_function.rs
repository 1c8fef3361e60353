#[cancelable]
async fn finally_in_function() -> Result<u32, Cancelled> {
    cancel_scope!(finally = async { close().await }, async { run().await }).await
}
