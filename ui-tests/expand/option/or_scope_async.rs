#[cancelable(or = default.len(), name = "or")]
async fn or_scope_async(default: Vec<u32>, moved: Vec<u32>) -> usize {
    get(moved).await
}
