#[cancelable(or = default)]
async fn or_in_place(default: u32) -> u32 {
    get().await
}
