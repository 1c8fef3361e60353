#[cancelable]
async fn join() -> Option<u32> {
    let (a, b) = tokio::join!(first(), second(get()?));
    let f = try_join!(biased; a, b).ok()?;
    Some(f)
}
