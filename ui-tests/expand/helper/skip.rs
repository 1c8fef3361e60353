#[cancelable]
async fn skip() -> Option<u32> {
    #[cancelable(skip)]
    for n in 0..3 {
        get(n).await;
    }
    #[cancelable(skip)]
    get(4).await?;
    get(5).shielded().await?;
    None
}
