#[cancelable(every = step * 2)]
fn every_expression(step: usize) -> Option<u32> {
    while more() {}
    None
}
