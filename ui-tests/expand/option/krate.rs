#[cancelable(crate = crate::facade)]
fn krate() -> Option<u32> {
    None
}
