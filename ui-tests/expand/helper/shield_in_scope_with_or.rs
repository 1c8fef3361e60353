#[cancelable(or = 0, scope)]
async fn shield_in_scope_with_or() -> u32 {
    #[cancelable(shield = "2s")]
    close().await;
    1
}
