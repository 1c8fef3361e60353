#[cancelable(every = 1024)]
fn every_for(list: &[u64]) -> Result<u64, Error> {
    let mut sum = 0;
    'rows: for n in list {
        if *n == 0 {
            continue 'rows;
        }
        sum += n;
    }
    Ok(sum)
}
