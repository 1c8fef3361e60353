#[cancelable]
async fn select() -> Option<u32> {
    let value = tokio::select! {
        biased;
        Some(n) = rx.recv(), if open => handle(n).await,
        Message { id, body: Some(ref text) } | Message { id, .. } = other => return None,
        _ = &mut sleep => break,
        else => 3,
    };
    Some(value)
}
