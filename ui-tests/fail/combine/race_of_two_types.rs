//! One type for all.

use cancelable::race;

fn main() {
    use std::future::ready;
    let _winner = race!(ready(Some(1)), ready(Some("two")));
}
