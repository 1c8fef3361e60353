#[cancelable]
async fn impl_trait_return() -> Result<impl Iterator<Item = u32>, Error> {
    Ok(0..3)
}
