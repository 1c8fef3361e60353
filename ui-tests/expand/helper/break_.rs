#[cancelable]
fn break_() -> Option<u32> {
    let mut best = 0;
    #[cancelable(break)]
    for n in 0..3 {
        while more() {}
        best = n;
    }
    Some(best)
}
