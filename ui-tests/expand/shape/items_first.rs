#[cancelable]
fn items_first() -> Result<usize, Error> {
    use std::fmt::Write as _;
    const LENGTH: usize = 3;
    Ok(LENGTH)
}
