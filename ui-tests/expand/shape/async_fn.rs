/// Documented by the user.
#[cancelable]
pub async fn async_fn(n: u32) -> Result<u32, Error> {
    Ok(n)
}
