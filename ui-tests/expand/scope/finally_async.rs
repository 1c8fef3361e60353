async fn finally_async() {
    cancel_scope!(grace = "2s", finally = async { close().await }, async move { run().await }).await
}
