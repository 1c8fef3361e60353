#[cancelable(idle_timeout = "30s", heartbeat)]
async fn idle_timeout(n: u32) -> Result<u32, Error> {
    Ok(n)
}
