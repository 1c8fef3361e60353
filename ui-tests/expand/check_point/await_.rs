#[cancelable]
async fn await_() -> Result<u32, Error> {
    let page = fetch(&url()).await?;
    other(page).await.send();
    settle(page).await;
    Ok(last().await)
}
