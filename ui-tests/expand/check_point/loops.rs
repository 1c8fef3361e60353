#[cancelable]
fn loops(list: &[u32]) -> Result<u32, Error> {
    for n in list {
        use_up(n);
    }
    'outer: while more() {
        continue 'outer;
    }
    let value = loop {
        break 3;
    };
    Ok(value)
}
