//! Nothing to skip.

use cancelable::shield;

fn main() {
    let _n = shield!({
        #[cancelable(skip)]
        for _ in 0..3 {}
        3
    });
}
