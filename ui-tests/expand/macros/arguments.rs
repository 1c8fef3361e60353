#[cancelable]
async fn arguments() -> Option<u32> {
    println!("{} {name}", get().await, name = 3);
    let list = vec![get().await; 3];
    matches!(get().await, Some(n) if n > 3);
    assert!(ready().await);
    let shown = dbg!(get().await);
    None
}
