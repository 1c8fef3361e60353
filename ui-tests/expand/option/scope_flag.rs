#[cancelable(scope, until = signal)]
async fn scope_flag(signal: Signal) -> Result<u32, Cancelled> {
    Ok(get().await)
}
