#[cancelable]
async fn shield() -> Result<u32, Cancelled> {
    #[cancelable(shield)]
    conn.close().await?;
    #[cancelable(shield = "2s")]
    let report = flush(&mut buffer).await?;
    Ok(report)
}
