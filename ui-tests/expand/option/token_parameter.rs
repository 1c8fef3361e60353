#[cancelable]
fn token_parameter(before: u32, #[token] token: &CancellationToken, #[token] mut owned: CancellationToken) -> Option<u32> {
    owned = token.clone();
    Some(before)
}
