#[cancelable(every = 8)]
fn break_every() -> Option<u32> {
    let mut best = 0;
    #[cancelable(break)]
    'mine: for n in 0..3 {
        best = n;
        continue 'mine;
    }
    Some(best)
}
