#[cancelable]
async fn condition_awaits() -> Option<u32> {
    while let Some(job) = jobs.recv().await {
        run(job);
    }
    None
}
