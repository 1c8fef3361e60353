async fn async_closure() {
    cancel_scope!(deadline = at, token = stop, async || -> Result<u32, Error> { Ok(3) }).await;
}
