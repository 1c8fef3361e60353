#[cancelable]
pub fn sync_fn(n: u32) -> Result<u32, Error> {
    Ok(n)
}
