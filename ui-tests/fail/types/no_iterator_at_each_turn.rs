//! Told of what is gone through, once.

use cancelable::{Cancelled, cancelable};

struct Numbers(Vec<u32>);

#[cancelable]
fn work(numbers: &Numbers, n: u32) -> Result<u32, Cancelled> {
    let mut sum = 0;
    for number in numbers {
        sum += number;
    }
    for _ in n {}
    for (index, number) in numbers.0 {
        sum += number;
    }
    Ok(sum)
}

fn main() {}
