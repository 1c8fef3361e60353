//! The body took the argument that `or` wants.

use cancelable::cancelable;

#[cancelable(or = list)]
fn work(list: Vec<u32>) -> Vec<u32> {
    drop(list);
    for _ in 0..3 {}
    vec![]
}

fn main() {}
