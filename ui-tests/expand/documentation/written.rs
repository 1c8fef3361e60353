/// What it does.
#[cancelable(timeout = "5s")]
async fn documented(n: u32) -> Result<u32, Cancelled> {
    Ok(get(n).await)
}
