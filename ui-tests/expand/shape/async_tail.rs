#[cancelable]
fn async_tail(n: u32) -> impl Future<Output = Option<u32>> + Send {
    let doubled = n * 2;
    async move { Some(doubled) }
}
