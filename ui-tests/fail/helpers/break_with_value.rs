//! What would the value be?

use cancelable::{Cancelled, cancelable};

#[cancelable]
async fn work() -> Result<(), Cancelled> {
    let mut n = 0;
    let found = #[cancelable(break)]
    loop {
        n += 1;
        if n == 5 {
            break n;
        }
    };
    assert_eq!(found, 5);
    Ok(())
}

fn main() {}
