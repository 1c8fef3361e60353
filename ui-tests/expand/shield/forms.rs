async fn forms() {
    shield!(async move { cleanup().await }).await;
    shield!(timeout = "5s", async { cleanup().await }).await;
    shield!({ flush() });
    shield!(timeout = "5s", || -> Result<(), Error> { for n in 0..3 {} Ok(()) });
}
