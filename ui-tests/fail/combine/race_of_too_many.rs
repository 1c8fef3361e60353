//! More than the library combines.

use cancelable::race;

fn main() {
    use std::future::ready;
    let _winner = race!(ready(0), ready(1), ready(2), ready(3), ready(4), ready(5), ready(6), ready(7), ready(8), ready(9), ready(10), ready(11), ready(12), ready(13));
}
