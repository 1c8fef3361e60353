async fn async_block() {
    cancel_scope!(timeout = "5s", name = "fetch", async move { fetch(&url).await }).await;
}
