//! What a loop goes through is kept across its pauses: the `for` is to blame.

use cancelable::{Cancelled, cancelable};
use std::rc::Rc;

#[cancelable(yield_every = 64)]
async fn work() -> Result<(), Cancelled> {
    let numbers = Rc::new([1, 2, 3]);
    for number in numbers.iter() {
        println!("{number}");
    }
    Ok(())
}

fn is_send(_: impl Send) {}

fn main() {
    is_send(work());
}
