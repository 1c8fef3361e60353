async fn race() {
    race!(first(), second()).await;
    try_join!(first(), second(),).await;
}
