#[cancelable(name = "boxed")]
fn boxed_tail(n: u32) -> Pin<Box<dyn Future<Output = Option<u32>> + Send>> {
    Box::pin(async move { Some(n) })
}
