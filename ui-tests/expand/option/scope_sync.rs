#[cancelable(timeout = "1500ms")]
fn scope_sync(&mut self, n: u32) -> Result<u32, Error> {
    Ok(n)
}
